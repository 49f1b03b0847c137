package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidemark-go/tidemark/backend"
	"github.com/tidemark-go/tidemark/upload"
)

// putCommand uploads a file.
type putCommand struct {
	File string `arg:"" help:"The file to upload; a regular one."`
	URL  target `arg:"" name:"url" help:"Where to: oss://BUCKET/KEY. Without a key, or with one that ends in /, the file's name is added."`

	serviceFlags
	transferFlags
	objectFlags

	JSON  bool `name:"json" help:"Print the result as one JSON object."`
	Quiet bool `short:"q" help:"Show no progress."`
}

// transferFlags are how the bytes get there.
type transferFlags struct {
	PartSize      *byteSize     `placeholder:"SIZE" help:"Size of a part, at least 100KiB (default: 8MiB). Doubled until the file fits into 10,000 parts. An upload keeps the one that it began with."`
	Concurrency   int           `default:"4" placeholder:"N" help:"Parts under way at once (default: 4)."`
	Limit         *byteSize     `placeholder:"SIZE" help:"Send at most this much a second (default: no limit)."`
	Threshold     *byteSize     `placeholder:"SIZE" help:"Send a smaller file as one request (default: 10MiB); 0 sends all in parts."`
	Attempts      int           `default:"6" placeholder:"N" help:"Tries of a request before the upload fails (default: 6)."`
	RetryDelay    time.Duration `default:"200ms" placeholder:"TIME" help:"Longest wait before the second try; doubled for each one after it (default: 200ms)."`
	MaxRetryDelay time.Duration `default:"20s" placeholder:"TIME" help:"Longest wait before any try (default: 20s)."`
	SourceID      string        `placeholder:"ID" help:"Name of the source in the checkpoint, to go on elsewhere or with a file that was moved (default: its path)."`
}

// objectFlags are what the object has beside its bytes.
type objectFlags struct {
	IfAbsent           bool              `help:"Fail rather than replace an object."`
	ContentType        string            `placeholder:"TYPE" help:"Content-Type (default: by the key)."`
	CacheControl       string            `placeholder:"TEXT" help:"Cache-Control."`
	ContentDisposition string            `placeholder:"TEXT" help:"Content-Disposition."`
	ContentEncoding    string            `placeholder:"TEXT" help:"Content-Encoding."`
	ContentLanguage    string            `placeholder:"TEXT" help:"Content-Language."`
	Expires            *instant          `placeholder:"TIME" help:"Expires, as 2030-01-31T12:00:00Z or as in HTTP."`
	Meta               map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"Metadata of the user's own. Repeatable."`
	Tag                map[string]string `mapsep:"none" placeholder:"NAME=VALUE" help:"A tag. Repeatable."`
	StorageClass       string            `placeholder:"CLASS" help:"Standard, IA, Archive, ColdArchive or DeepColdArchive (default: the bucket's)."`
	ACL                string            `name:"acl" placeholder:"ACL" help:"private, public-read or public-read-write (default: the bucket's)."`
	Encryption         string            `placeholder:"ALGORITHM" help:"Encrypt at rest: AES256, KMS or SM4."`
	EncryptionKeyID    string            `placeholder:"ID" help:"The key to encrypt with, for KMS: its name, not a key."`
}

// instant is a time on the command line.
type instant time.Time

func (t *instant) UnmarshalText(text []byte) error {
	parsed, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		parsed, err = http.ParseTime(string(text))
	}
	if err != nil {
		return fmt.Errorf("%q is no time: write it as 2030-01-31T12:00:00Z", text)
	}
	*t = instant(parsed)
	return nil
}

// Help is kong's long help of the command.
func (*putCommand) Help() string {
	return "The same command starts an upload and goes on with it. Ctrl-C leaves it resumable; a second one ends the process at once, " +
		"which loses no more than the parts under way. The key is taken as it stands: nothing is unescaped, and .. means nothing."
}

func (f *objectFlags) attributes() backend.Attributes {
	attrs := backend.Attributes{
		ContentType: f.ContentType, CacheControl: f.CacheControl, ContentDisposition: f.ContentDisposition,
		ContentEncoding: f.ContentEncoding, ContentLanguage: f.ContentLanguage,
		Metadata: f.Meta, Tags: f.Tag, StorageClass: f.StorageClass, ACL: f.ACL,
		Encryption: backend.Encryption{Algorithm: f.Encryption, KeyID: f.EncryptionKeyID},
	}
	if f.Expires != nil {
		attrs.Expires = time.Time(*f.Expires)
	}
	return attrs
}

// Validate is called by kong. A zero would be taken for the default by the library, which is not what was asked.
func (f *transferFlags) Validate() error {
	switch {
	case f.PartSize != nil && *f.PartSize < 1:
		return errors.New("--part-size must be more than 0")
	case f.Limit != nil && *f.Limit < 1:
		return errors.New("--limit must be more than 0; leave it out for no limit")
	case f.Concurrency < 1:
		return errors.New("--concurrency must be at least 1")
	case f.Attempts < 1:
		return errors.New("--attempts must be at least 1")
	case f.RetryDelay <= 0 || f.MaxRetryDelay <= 0:
		return errors.New("--retry-delay and --max-retry-delay must be more than 0")
	}
	return nil
}

func (f *transferFlags) options() *upload.Options {
	opts := &upload.Options{
		Concurrency: f.Concurrency,
		Retry:       upload.Retry{Attempts: f.Attempts, BaseDelay: f.RetryDelay, MaxDelay: f.MaxRetryDelay},
	}
	if f.Threshold != nil {
		if opts.Threshold = int64(*f.Threshold); opts.Threshold == 0 {
			opts.Threshold = -1
		}
	}
	if f.Limit != nil {
		// A tenth of a second's worth evens out the limiter's waits; less than 64 KiB would be many short ones.
		opts.Limiter = rate.NewLimiter(rate.Limit(*f.Limit), int(max(64<<10, *f.Limit/10)))
	}
	return opts
}

// Run uploads.
func (p *putCommand) Run(ctx context.Context, con *console) (err error) {
	to, err := p.URL.forFile(p.File)
	if err != nil {
		return err
	}
	s, err := p.open(con, to.bucket)
	if err != nil {
		return err
	}
	defer func() { err = s.closeAfter(err) }()
	b, err := s.backend(to.bucket)
	if err != nil {
		return err
	}
	opts := p.options()
	opts.Logger = s.log
	show := newProgress(con, p.Quiet, p.Verbose)
	req := &upload.Request{
		Attributes: p.attributes(), IfAbsent: p.IfAbsent, SourceID: p.SourceID,
		Progress: show.update,
	}
	if p.PartSize != nil {
		if req.PartSize = int64(*p.PartSize); req.PartSize < b.Info().MinPartSize || req.PartSize > b.Info().MaxPartSize {
			return &failure{code: exitUsage, err: fmt.Errorf("--part-size %d: a part must have %s to %s",
				req.PartSize, byteSize(b.Info().MinPartSize), byteSize(b.Info().MaxPartSize))}
		}
	}
	begun := time.Now()
	res, err := upload.New(b, s.checkpoints, opts).UploadFile(ctx, to.key, p.File, req)
	show.close()
	if err != nil {
		return p.explain(con, err, res, show.last)
	}
	return report(con.out, p, to, res, time.Since(begun))
}

// explain says what the user can do, and what became of what was sent.
func (p *putCommand) explain(con *console, err error, res *upload.Result, last upload.Progress) error {
	f := &failure{err: err}
	abs, aerr := filepath.Abs(p.File)
	var file *fs.PathError
	if aerr == nil && errors.As(err, &file) && file.Path == abs {
		f.code = exitSource
		if errors.Is(err, fs.ErrNotExist) {
			f.code, f.remedy = exitUsage, "check the path"
			return f
		}
	}
	kept := "nothing was lost"
	switch {
	case last.Stored > 0:
		kept = fmt.Sprintf("%s of %s are stored and kept", byteSize(last.Stored), byteSize(last.Total))
	case res.Resumed:
		kept = "what was stored is kept"
	}
	switch exitCode(f) {
	case exitUsage, exitUnexpected:
		return f
	case exitExists:
		f.remedy = "leave out --if-absent to replace it"
	case exitDenied:
		f.remedy = kept + ": run the same command with credentials that allow it"
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
		f.remedy = kept
	default:
		f.remedy = kept + ": run the same command to go on"
	}
	return f
}

// closeAfter closes the service. What went wrong before is what counts.
func (s *service) closeAfter(err error) error {
	if cerr := s.close(); err == nil {
		return cerr
	}
	return err
}
