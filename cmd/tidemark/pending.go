package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidemark-go/tidemark/upload"
)

// pendingCommand lists what has not ended.
type pendingCommand struct {
	URL *target `arg:"" optional:"" name:"url" help:"Which ones: oss://BUCKET, or oss://BUCKET/PREFIX for keys that start so. Without it, all buckets."`

	serviceFlags
	JSON bool `name:"json" help:"Print each as a JSON object on a line."`
}

// Help is kong's long help of the command.
func (*pendingCommand) Help() string {
	return "It joins the checkpoints of this machine with the service's own list. An upload that only the service lists is another " +
		"machine's, or what a lost checkpoint left; one that it does not list has expired, was aborted, or was completed. " +
		"Without a URL, the buckets of the endpoint's region are listed, for which the credentials need oss:ListBuckets."
}

// pendingResult is a line of pending --json.
type pendingResult struct {
	Bucket     string    `json:"bucket"`
	Key        string    `json:"key"`
	UploadID   string    `json:"upload_id,omitempty"`
	Size       int64     `json:"size"`   // of the source; 0 if not known
	Stored     int64     `json:"stored"` // bytes, by the checkpoint
	Parts      int       `json:"parts"`
	Begun      time.Time `json:"begun,omitzero"`
	Holder     string    `json:"holder,omitempty"` // who drove it last
	Driven     time.Time `json:"driven,omitzero"`  // since when
	Source     string    `json:"source,omitempty"`
	Checkpoint bool      `json:"checkpoint"` // this machine has one
	Missing    bool      `json:"missing"`    // the service does not list it
}

// Run lists.
func (p *pendingCommand) Run(ctx context.Context, con *console) (err error) {
	var where target
	if p.URL != nil {
		where = *p.URL
	}
	if err := p.existing(); err != nil {
		return err
	}
	s, err := p.open(con, "")
	if err != nil {
		return err
	}
	defer func() { err = s.closeAfter(advise(err)) }()
	buckets := []string{where.bucket}
	if where.bucket == "" {
		if buckets, err = s.buckets(); err != nil {
			return err
		}
	}
	table := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	count := 0
	for _, bucket := range buckets {
		b, err := s.backend(bucket)
		if err != nil {
			return err
		}
		u := upload.New(b, s.checkpoints, &upload.Options{Logger: s.log})
		for found, err := range u.Pending(ctx, where.key) {
			if err != nil {
				return joinFlush(err, table)
			}
			if err := p.print(con.out, table, bucket, found, count == 0); err != nil {
				return err
			}
			count++
		}
	}
	if count == 0 && !p.JSON {
		_, err := fmt.Fprintln(con.out, "nothing is pending")
		return err
	}
	return table.Flush()
}

// joinFlush shows what was found before err.
func joinFlush(err error, table *tabwriter.Writer) error {
	if ferr := table.Flush(); ferr != nil {
		return fmt.Errorf("%w (and %w)", err, ferr)
	}
	return err
}

func (p *pendingCommand) print(out io.Writer, table *tabwriter.Writer, bucket string, found upload.Pending, first bool) error {
	if p.JSON {
		return writeJSON(out, pendingResult{
			Bucket: bucket, Key: found.Key, UploadID: found.Upload.ID, Size: found.Size, Stored: found.Stored, Parts: found.Parts,
			Begun: found.Begun, Holder: found.Holder, Driven: found.Driven, Source: found.Source,
			Checkpoint: found.Checkpoint != "", Missing: found.Missing,
		})
	}
	var b strings.Builder
	if first {
		b.WriteString("URL\tSIZE\tSTORED\tPARTS\tBEGUN\tDRIVEN BY\tSOURCE\tNOTE\n")
	}
	size, stored, parts := "-", "-", "-"
	if found.Checkpoint != "" {
		size, parts = byteSize(found.Size).String(), fmt.Sprint(found.Parts)
		if found.Size > 0 {
			stored = fmt.Sprintf("%d%%", 100*found.Stored/found.Size)
		}
	}
	columns := []string{
		target{bucket, found.Key}.String(), size, stored, parts, when(found.Begun), found.Holder, found.Source, note(found),
	}
	for i, c := range columns {
		if columns[i] = oneLine(c); c == "" {
			columns[i] = "-"
		}
	}
	b.WriteString(strings.Join(columns, "\t") + "\n")
	_, err := io.WriteString(table, b.String())
	return err
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func note(p upload.Pending) string {
	var notes []string
	switch {
	case p.Checkpoint == "":
		notes = append(notes, "only on the store")
	case p.Missing:
		notes = append(notes, "missing on the store")
	case p.Upload.ID == "":
		notes = append(notes, "not begun on the store")
	}
	if p.Path != "" {
		if _, err := os.Stat(p.Path); errors.Is(err, fs.ErrNotExist) {
			notes = append(notes, "source is gone; --source-id helps if it was moved")
		}
	}
	return strings.Join(notes, ", ")
}
