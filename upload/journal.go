package upload

import (
	"bytes"
	"context"
	"crypto/rand"
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
	claim record // ours; Location, Key, Source, Path and Request are set by the caller
	retry Retry
	note  func(damage error) // called when the store set a damaged log aside

	mu      sync.Mutex
	history history
	at      int    // records in the log
	last    []byte // the last of them
	lost    error  // why the log is no longer ours
}

const (
	// journalAttempts is how often an append is tried: a checkpoint that cannot be written should be known soon.
	journalAttempts = 3

	// openConflicts is how many records a busy driver may add under a newer one before its claim gets through.
	openConflicts = 1000
)

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
	for n, conflicts := 1, 0; ; {
		records, err := j.load(ctx)
		if err != nil {
			return err
		}
		// What counts is the log with the claim in it: before, it may have been deleted and written anew, to the same length.
		if slices.ContainsFunc(records, func(r []byte) bool { return bytes.Equal(r, raw) }) {
			j.history = newHistory(records, j.history.damaged, &j.claim)
			j.at, j.last = len(records), records[len(records)-1]
			if j.history.claim.Claim != j.claim.Claim {
				return superseded(j.history.claim)
			}
			return nil
		}
		err = j.store.Append(ctx, j.id, len(records), raw)
		switch {
		case errors.Is(err, checkpoint.ErrConflict) && conflicts < openConflicts:
			conflicts++
		case err == nil && n <= journalAttempts:
			n++
		case err != nil && n < journalAttempts && !refused(err):
			if err := pause(ctx, j.retry.delay(n, err)); err != nil {
				return err
			}
			n++
		case err == nil:
			return writing(errors.New("the store does not keep what is appended"))
		default:
			return writing(err)
		}
	}
}

// load reads the log. One that was set aside is noted, and what could be read of it is used.
func (j *journal) load(ctx context.Context) ([][]byte, error) {
	for n := 1; ; n++ {
		records, damage, err := load(ctx, j.store, j.id)
		if damage != nil {
			j.history.damaged = true
			j.note(damage)
		}
		if err == nil || n == journalAttempts || refused(err) {
			return records, err
		}
		if err := pause(ctx, j.retry.delay(n, err)); err != nil {
			return nil, err
		}
	}
}

// load reads a log. A store says once that a log was damaged; the record that is added here says it to all who come later.
func load(ctx context.Context, store checkpoint.Store, id string) (records [][]byte, damage, err error) {
	records, err = store.Load(ctx, id)
	if !errors.Is(err, checkpoint.ErrDamaged) {
		if err != nil {
			return nil, nil, &localError{fmt.Errorf("read the checkpoint: %w", err)}
		}
		return records, nil, nil
	}
	damage = err
	if len(records) == 0 {
		return nil, damage, nil
	}
	raw, err := record{Kind: kindDamaged, Time: time.Now().UTC().Truncate(time.Second)}.encode()
	if err != nil {
		return nil, damage, err
	}
	if err := store.Append(ctx, id, len(records), raw); err == nil {
		records = append(records, raw) // or else whoever writes next sees by the conflict that it is there
	}
	return records, damage, nil
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
			j.history.fold(r)
			return nil
		}
		if refused(err) {
			return writing(err)
		}
		// In conflict, or the answer was lost: the log itself says what became of the record.
		done, lerr := j.find(ctx, raw, j.at)
		switch {
		case done: // it counts, also if a newer claim stands behind it
			j.history.fold(r)
			return nil
		case j.lost != nil:
			return j.lost
		case n == journalAttempts:
			return writing(also(err, lerr))
		}
		if err := pause(ctx, j.retry.delay(n, err)); err != nil {
			return err
		}
	}
}

// commit is append for a record that others rest on: afterwards it is durable, and the log was ours when it was written. The
// position alone does not say that of a log which was deleted meanwhile, and written anew to the same length. With an error,
// known says that the log has the record all the same, for whoever took over.
func (j *journal) commit(ctx context.Context, r record) (known bool, err error) {
	if err := j.append(ctx, r); err != nil {
		return false, err
	}
	if err := j.sync(ctx); err != nil {
		return false, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	r.Claim = j.claim.Claim
	raw, err := r.encode()
	if err != nil {
		return true, err
	}
	known, err = j.find(ctx, raw, 0)
	if err == nil {
		err = j.lost
	}
	return known, err
}

// find looks for raw among the records from a position on, and moves to the end of the log, unless that has a newer claim.
func (j *journal) find(ctx context.Context, raw []byte, from int) (found bool, err error) {
	records, err := j.load(ctx)
	if err != nil {
		return false, err
	}
	var latest record // claim
	var in reader
	for i, rec := range records {
		if r, ok := in.read(rec); ok && r.Kind == kindClaim {
			latest = r
		}
		if latest.Claim == j.claim.Claim && i >= from && bytes.Equal(rec, raw) {
			found = true
		}
	}
	if latest.Claim != j.claim.Claim {
		j.lost = superseded(latest)
		return found, nil
	}
	j.at, j.last = len(records), records[len(records)-1]
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
			return &localError{fmt.Errorf("sync the checkpoint: %w", err)}
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
		if _, lerr := j.find(ctx, nil, 0); lerr != nil || j.lost != nil {
			return also(err, lerr)
		}
	}
}

func writing(err error) error { return &localError{fmt.Errorf("write the checkpoint: %w", err)} }

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
