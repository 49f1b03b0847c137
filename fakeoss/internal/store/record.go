package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark-go/tidemark/internal/crc64"
)

// Records are a line of JSON and a line with its CRC-64, which a person can read.

type bucketRecord struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Meta    string    `json:"meta"`
}

type objectRecord struct {
	Bucket   string            `json:"bucket"`
	Key      string            `json:"key"`
	Modified time.Time         `json:"modified"`
	Size     int64             `json:"size"`
	Meta     map[string]string `json:"meta"`
	Segments []segment         `json:"segments"`

	// Upload is the upload that this object has ended. A crash may leave the upload's own record behind.
	Upload string `json:"upload,omitempty"`
}

// segment is a file of data/.
type segment struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

type uploadRecord struct {
	ID        string    `json:"id"`
	Bucket    string    `json:"bucket"`
	Key       string    `json:"key"`
	Initiated time.Time `json:"initiated"`
	Meta      string    `json:"meta"`
}

func objectFile(bucket, key string) string {
	sum := sha256.Sum256([]byte(bucket + "/" + key)) // a bucket's name has no slash
	return hex.EncodeToString(sum[:])
}

// errDamaged: a record is not what was written. Renaming makes a torn one impossible; a damaged disk does not.
var errDamaged = errors.New("record is damaged")

func encodeRecord(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(line, "\n%016x\n", crc64.Update(0, line)), nil
}

func decodeRecord(b []byte, v any) error {
	line, sum, ok := bytes.Cut(b, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("%016x\n", crc64.Update(0, line)) {
		return errDamaged
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

func writeRecord(name string, v any) error {
	b, err := encodeRecord(v)
	if err != nil {
		return err
	}
	return writeFile(name, b)
}

func readRecord(name string, v any) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := decodeRecord(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// tempPrefix begins the names of files that are not yet what they will be.
const tempPrefix = "tmp."

func randomName() string {
	b := make([]byte, 16)
	// Read never fails; it ends the program if the system has no randomness.
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// writeFile replaces a file in one step: a temporary file is written, synced and renamed, and the directory is synced.
func writeFile(name string, b []byte) (err error) {
	temp := filepath.Join(filepath.Dir(name), tempPrefix+randomName())
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	// Close, then rename: Windows renames no open file.
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(name))
}

// removeFile removes a file so that it does not come back after a power cut.
func removeFile(name string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
