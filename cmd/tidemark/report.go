package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/upload"
)

// putResult is what put --json prints. The first fields are always there.
type putResult struct {
	Bucket    string   `json:"bucket"`
	Key       string   `json:"key"`
	Size      int64    `json:"size"`
	CRC64     string   `json:"crc64"` // decimal, as OSS writes it; a string, since many readers of JSON have no uint64
	ETag      string   `json:"etag"`
	Sent      int64    `json:"sent"`
	Reused    int64    `json:"reused"`
	Parts     int      `json:"parts"`
	Retries   int      `json:"retries"`
	Hedged    int      `json:"hedged"`
	Resumed   bool     `json:"resumed"`
	Restarted []string `json:"restarted"` // why, each time that it began again from nothing
	Seconds   float64  `json:"seconds"`

	PartSize int64      `json:"part_size,omitempty"`
	Damaged  []string   `json:"damaged,omitempty"`
	Denied   []string   `json:"denied,omitempty"`
	Left     []leftover `json:"left,omitempty"`
}

// leftover is an upload that the store did not let us abort.
type leftover struct {
	Key      string `json:"key"`
	UploadID string `json:"upload_id"`
}

// report prints the result of an upload that is done.
func report(w io.Writer, p *putCommand, to target, res *upload.Result, took time.Duration) error {
	if p.JSON {
		return reportJSON(w, to, res, took)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s in %s", oneLine(to.String()), byteSize(res.Object.Size), took.Round(10*time.Millisecond))
	if seconds := took.Seconds(); res.Sent > 0 && seconds > 0 {
		fmt.Fprintf(&b, ", %s/s", byteSize(float64(res.Sent)/seconds))
	}
	fmt.Fprintf(&b, "; sent %s", byteSize(res.Sent))
	if res.Resumed {
		fmt.Fprintf(&b, ", reused %s of an earlier run", byteSize(res.Reused))
	}
	if res.Retries > 0 {
		fmt.Fprintf(&b, ", %d retries", res.Retries)
	}
	if res.Hedged > 0 {
		fmt.Fprintf(&b, ", %d hedged", res.Hedged)
	}
	fmt.Fprintf(&b, "; CRC-64 %d\n", res.CRC64)
	for _, n := range notes(p, res) {
		fmt.Fprintf(&b, "note: %s\n", oneLine(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// notes are what the user should know beyond that it is done.
func notes(p *putCommand, res *upload.Result) []string {
	var all []string
	for _, why := range res.Restarted {
		all = append(all, "it began again from nothing: "+why)
	}
	all = append(all, res.Damaged...)
	for _, op := range res.Denied {
		all = append(all, op+" is denied to these credentials, and was done without")
	}
	for _, u := range res.Left {
		all = append(all, fmt.Sprintf("upload %s of this key may be left, since these credentials may not abort it; with others: tidemark abort", u.ID))
	}
	if p.PartSize != nil && res.PartSize != 0 && res.PartSize != int64(*p.PartSize) {
		why := "so that the file fits into the number of parts that there may be"
		switch {
		case res.Resumed:
			why = "that of the upload which was resumed"
		case res.PartSize < int64(*p.PartSize):
			why = "since the line did not last for larger parts"
		}
		all = append(all, fmt.Sprintf("the part size was %s, %s", byteSize(res.PartSize), why))
	}
	return all
}

func reportJSON(w io.Writer, to target, res *upload.Result, took time.Duration) error {
	r := putResult{
		Bucket: to.bucket, Key: to.key, Size: res.Object.Size, CRC64: strconv.FormatUint(res.CRC64, 10), ETag: res.Object.ETag,
		Sent: res.Sent, Reused: res.Reused, Parts: res.Parts, Retries: res.Retries, Hedged: res.Hedged,
		Resumed: res.Resumed, Restarted: append([]string{}, res.Restarted...), Seconds: took.Seconds(),
		PartSize: res.PartSize, Damaged: res.Damaged, Denied: res.Denied,
	}
	for _, u := range res.Left {
		r.Left = append(r.Left, leftover{u.Key, u.ID})
	}
	return writeJSON(w, r)
}

// writeJSON writes v on a line.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // a key may have an &
	return e.Encode(v)
}
