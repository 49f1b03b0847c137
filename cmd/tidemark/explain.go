package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/backend/oss"
	"github.com/tidemark-go/tidemark/upload"
)

// openSource is the Op of an upload.Error whose cause is that the file could not be opened.
const openSource = "open the source"

// explain says what the user can do, and what became of what was sent.
func (p *putCommand) explain(con *console, err error, res *upload.Result, last upload.Progress) error {
	f := &failure{err: err}
	var failed *upload.Error
	if errors.As(err, &failed) && failed.Op == openSource && !errors.Is(err, backend.ErrInvalid) {
		f.code = exitSource
		if errors.Is(err, fs.ErrNotExist) {
			f.code, f.remedy = exitUsage, "check the path"
			return f
		}
	}
	code := exitCode(f)
	stored := ""
	switch {
	case last.Stored > 0:
		stored = fmt.Sprintf("%s of %s are stored and kept", byteSize(last.Stored), byteSize(last.Total))
	case res.Resumed:
		stored = "what was stored is kept"
	case code == exitInterrupted, res.Sent > 0 && last.Parts > 0:
		stored = "no part was complete yet"
	}
	kept := stored
	if kept == "" {
		kept = "nothing was lost"
	}
	again := "run the same command to go on"
	fix := serviceRemedy(err)
	reached := last.Parts > 0 // in this run, so the service is where it is said to be
	if reached && errors.Is(err, backend.ErrUnreachable) {
		fix = ""
	}
	if fix != "" {
		again = fix + ", and " + again
	}
	switch code {
	case exitUsage, exitUnexpected:
		return f
	case exitExists:
		f.remedy = "leave out --if-absent to replace it"
	case exitDenied:
		f.remedy = kept + ": run the same command with credentials that allow it"
		if fix != "" {
			f.remedy = kept + ": " + again
		}
	case exitInUse:
		f.remedy = kept + ": wait until it ends, or stop it"
	case exitInterrupted:
		f.err = errInterrupted
		f.remedy = kept + "; " + goOn(con.args)
	case exitSource:
		f.remedy = kept + ": make the file readable and run the same command"
		if errors.Is(err, upload.ErrSourceChanged) {
			f.remedy = kept + ": run the same command when the file is at rest"
		}
	case exitCheckpoint:
		f.remedy = stored // the checkpoint's own error says what it has
		var log *checkpointError
		var dir *fs.PathError
		if errors.As(err, &log) && errors.As(log, &dir) && (dir.Op == "mkdir" || dir.Op == "stat") {
			f.code, f.err = code, fmt.Errorf("the checkpoint directory cannot be made: %w", dir)
			f.remedy = "choose another --checkpoint-dir"
		}
	default:
		f.remedy = kept + ": " + again
		if last.Waiting != "" && last.WaitingFor >= time.Second/2 {
			bound := ""
			if reached {
				bound = ", which --outage bounds"
			}
			f.remedy = fmt.Sprintf("given up after %s of waiting%s; %s", clock(last.WaitingFor), bound, f.remedy)
		}
	}
	return f
}

// advise adds what the user can do about the service to an error of a command that only asks.
func advise(err error) error {
	if known := (*failure)(nil); err == nil || errors.As(err, &known) {
		return err
	}
	if fix := serviceRemedy(err); fix != "" {
		return &failure{err: err, remedy: fix}
	}
	return err
}

// wrongRegion is OSS's error-detail code for "Invalid signing region in Authorization header".
const wrongRegion = "0002-00000226"

// serviceRemedy says what to check where the service is not where the user said it is; empty if that is not what is wrong.
func serviceRemedy(err error) string {
	var answer *oss.Error
	var listing sdk.ServiceError
	var dial *net.OpError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return "check the scheme of OSS_ENDPOINT (or --endpoint)"
	case errors.Is(err, backend.ErrUnreachable), errors.As(err, &dial) && dial.Op == "dial":
		return "check OSS_ENDPOINT (or --endpoint)"
	case errors.As(err, &answer) && answer.EC == wrongRegion, errors.As(err, &listing) && listing.Ec == wrongRegion:
		return "check OSS_REGION (or --region)"
	}
	return ""
}
