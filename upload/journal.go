package upload

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-go/tidemark/checkpoint"
)

// journal is the log of one upload, written under one claim.
type journal struct {
	store checkpoint.Store
	id    string
	claim record // ours; Location, Key, Source and Path are set by the caller
	retry Retry
	note  func(damage error) // called when the store set a damaged log aside

	mu      sync.Mutex
	history history
	at      int    // records in the log
	last    []byte // the last of them
	lost    error  // why the log is no longer ours
}

// journalAttempts is how often an append is tried: a checkpoint that cannot be written should be known soon.
const journalAttempts = 3

// open loads the log and claims it: from then on, whoever drove the upload before cannot write to it.
func (j *journal) open(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.claim.Kind, j.claim.Claim = kindClaim, rand.Text()[:22] // 110 random bits
	j.claim.Holder, j.claim.Time = holder(), time.Now().UTC().Truncate(time.Second)
	raw, err := j.claim.encode()
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		records, err := j.load(ctx)
		if err != nil {
			return err
		}
		// An earlier try whose answer was lost may have been heard.
		if !slices.ContainsFunc(records, func(r []byte) bool { return bytes.Equal(r, raw) }) {
			err = j.store.Append(ctx, j.id, len(records), raw)
			switch {
			case err == nil:
				records = append(records, raw)
			case n < journalAttempts && !refused(err):
				if err := pause(ctx, j.retry.delay(n, err)); err != nil {
					return err
				}
				continue
			default:
				return fmt.Errorf("write the checkpoint: %w", err)
			}
		}
		j.history = history{damaged: j.history.damaged}
		for _, r := range records {
			j.history.fold(r)
		}
		j.at, j.last = len(records), records[len(records)-1]
		if j.history.claim.Claim != j.claim.Claim {
			return superseded(j.history.claim)
		}
		return nil
	}
}

// load reads the log. A log that was set aside is noted, and what could be read of it is used.
func (j *journal) load(ctx context.Context) ([][]byte, error) {
	records, err := j.store.Load(ctx, j.id)
	if errors.Is(err, checkpoint.ErrDamaged) {
		j.history.damaged = true
		j.note(err)
		return records, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the checkpoint: %w", err)
	}
	return records, nil
}

// append adds r to the log. ErrSuperseded if another process claimed the upload.
func (j *journal) append(ctx context.Context, r record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Claim = j.claim.Claim
	raw, err := r.encode()
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if j.lost != nil {
			return j.lost
		}
		err := j.store.Append(ctx, j.id, j.at, raw)
		if err == nil {
			j.at++
			j.last = raw
			j.history.fold(raw)
			return nil
		}
		if refused(err) {
			return fmt.Errorf("write the checkpoint: %w", err)
		}
		// In conflict, or the answer was lost: the log itself says what became of the record.
		done, lerr := j.find(ctx, raw)
		switch {
		case j.lost != nil:
			return j.lost
		case lerr != nil:
			return fmt.Errorf("write the checkpoint: %w", also(err, lerr))
		case done:
			j.history.fold(raw)
			return nil
		case n == journalAttempts:
			return fmt.Errorf("write the checkpoint: %w", err)
		}
		if err := pause(ctx, j.retry.delay(n, err)); err != nil {
			return err
		}
	}
}

// find looks for raw among the records that were added since, and moves to the end of the log.
func (j *journal) find(ctx context.Context, raw []byte) (bool, error) {
	records, err := j.load(ctx)
	if err != nil {
		return false, err
	}
	var latest record // claim
	found := false
	for i, rec := range records {
		var r record
		if json.Unmarshal(rec, &r) == nil && r.Kind == kindClaim {
			latest = r
		}
		if latest.Claim == j.claim.Claim && i >= j.at && bytes.Equal(rec, raw) {
			found = true
		}
	}
	if latest.Claim != j.claim.Claim {
		if !found { // one that was written before the newer claim counts, but none after it will
			j.lost = superseded(latest)
		}
		return found, nil
	}
	j.at = len(records)
	if j.at > 0 {
		j.last = records[j.at-1]
	}
	return found, nil
}

// superseded says who claimed the log. A log without a claim was deleted.
func superseded(by record) error {
	if by.Claim == "" {
		return fmt.Errorf("its checkpoint was deleted: %w", ErrSuperseded)
	}
	return fmt.Errorf("%s claimed it at %s: %w", by.Holder, by.Time.Format(time.RFC3339), ErrSuperseded)
}

// sync returns when all records so far survive a power cut.
func (j *journal) sync(ctx context.Context) error {
	if s, ok := j.store.(checkpoint.Syncer); ok {
		if err := s.Sync(ctx, j.id); err != nil {
			return fmt.Errorf("sync the checkpoint: %w", err)
		}
	}
	return nil
}

// delete removes the log, unless somebody else claimed it. A record of a former claim may have arrived late, at the end: it
// counts for nothing and goes with the rest.
func (j *journal) delete(ctx context.Context) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for n := 1; ; n++ {
		err := j.store.Delete(ctx, j.id, j.at, j.last)
		if err == nil || n == journalAttempts || refused(err) {
			return err
		}
		if _, lerr := j.find(ctx, nil); lerr != nil || j.lost != nil {
			return also(err, lerr)
		}
	}
}

// refused says that a store's error is no accident: trying again, or looking what happened, does not help.
func refused(err error) bool {
	return errors.Is(err, checkpoint.ErrInvalid) || errors.Is(err, checkpoint.ErrVersion) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// holder names this process for a person.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
