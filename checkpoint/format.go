package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
)

// A log is text. Its first line is the header, each further line one record:
//
//	tidemark-checkpoint 1 "oss://bucket/key from /data/big.iso" 5f3c9a01
//	{"kind":"intent","key":"key"} 0c1d2e3f
//	{"kind":"upload","id":"A1B2"} 9a8b7c6d
//
// The header is the magic word, the version of the format, the ID quoted as Go quotes a string (any bytes come back from it),
// and the checksum of all that. Every later version keeps this shape of the first line: so an old program can tell a newer log,
// which it must not touch, from a damaged one.
//
// A record's line is the record, a space and a checksum. See [seal.sum] for what the checksum covers.
const (
	formatMagic   = "tidemark-checkpoint "
	formatVersion = 1

	maxIDSize = 1024

	sumSize      = 8               // hexadecimal digits of a CRC-32
	lineOverhead = 1 + sumSize + 1 // the space, the checksum and the newline
	maxLine      = MaxRecordSize + lineOverhead
)

// The position is mixed into a checksum through a multiplication that spreads it over all 32 bits. An odd factor has an inverse
// modulo 2^32, so the position can be had back from a checksum. The factor is Knuth's for multiplicative hashing (The Art of
// Computer Programming, volume 3, section 6.4): the odd number next to 2^32 divided by the golden ratio.
const (
	spread   uint32 = 0x9E3779B1
	unspread uint32 = 0x0E8B2F51 // spread * unspread == 1 modulo 2^32
)

// castagnoli is CRC-32C, which today's processors compute in hardware. A table, never changed.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal makes and checks the checksums of one log. Its value is the CRC-32C of the ID, so that lines of another log do not pass.
type seal uint32

func newSeal(id string) seal { return seal(crc32.Checksum([]byte(id), castagnoli)) }

// sum is the checksum of record number at: it covers the ID, the record and the position. Lines that were lost, doubled or
// swapped are therefore seen. A chain from line to line would see them as well, but then what follows a lost line could no longer
// be checked; here each line stands for itself, and a repair keeps every line that is whole.
func (s seal) sum(at int, rec []byte) uint32 {
	return crc32.Update(uint32(s), castagnoli, rec) ^ uint32(at)*spread
}

// place is the inverse of sum: the position at which a record with the CRC c has the checksum sum. If either was damaged, the
// answer is some number between 0 and 2^32, hardly ever one near the positions of the log.
func place(c, sum uint32) uint32 { return (sum ^ c) * unspread }

// appendRecord appends the line of record number at to dst.
func (s seal) appendRecord(dst []byte, at int, rec []byte) []byte {
	dst = append(dst, rec...)
	return appendSum(dst, s.sum(at, rec))
}

func appendSum(dst []byte, sum uint32) []byte {
	dst = append(dst, ' ')
	dst = hex.AppendEncode(dst, binary.BigEndian.AppendUint32(nil, sum))
	return append(dst, '\n')
}

// parseSum reads a space and a checksum as appendSum writes them. Upper-case digits are not: a bit may have been flipped in them.
func parseSum(b []byte) (sum uint32, ok bool) {
	if len(b) != 1+sumSize || b[0] != ' ' {
		return 0, false
	}
	for _, c := range b[1:] {
		switch {
		case '0' <= c && c <= '9':
			sum = sum<<4 | uint32(c-'0')
		case 'a' <= c && c <= 'f':
			sum = sum<<4 | uint32(c-'a'+10)
		default:
			return 0, false
		}
	}
	return sum, true
}

// splitSum splits a line without its newline into what the checksum covers and the checksum.
func splitSum(line []byte) (text []byte, sum uint32, ok bool) {
	n := len(line) - 1 - sumSize
	if n < 0 {
		return nil, 0, false
	}
	sum, ok = parseSum(line[n:])
	return line[:n], sum, ok
}

// header is the first line of the log of id, with its newline.
func header(id string) []byte {
	text := []byte(formatMagic + strconv.Itoa(formatVersion) + " " + strconv.Quote(id))
	return appendSum(text, crc32.Checksum(text, castagnoli))
}

// headerVersion is the version that a first line, without its newline, states. It is not ok if the line is no header or its
// checksum is wrong: a flipped bit must not make an old log look like one of a newer version, which nobody would touch.
func headerVersion(line []byte) (version int, ok bool) {
	text, sum, ok := splitSum(line)
	if !ok || sum != crc32.Checksum(text, castagnoli) {
		return 0, false
	}
	text, ok = bytes.CutPrefix(text, []byte(formatMagic))
	if !ok {
		return 0, false
	}
	number, _, _ := bytes.Cut(text, []byte(" "))
	version, err := strconv.Atoi(string(number))
	return version, err == nil
}

// headerID finds the ID in a first line. It does not look at the checksum: the caller has a stronger one, the name of the file.
func headerID(line []byte) (id string, ok bool) {
	from, to := bytes.IndexByte(line, '"'), bytes.LastIndexByte(line, '"')
	if from < 0 || to <= from {
		return "", false
	}
	id, err := strconv.Unquote(string(line[from : to+1]))
	return id, err == nil
}

func checkID(id string) error {
	if id == "" || len(id) > maxIDSize {
		return fmt.Errorf("%w: an ID has 1 to %d bytes, this one has %d", ErrInvalid, maxIDSize, len(id))
	}
	return nil
}

func checkRecord(rec []byte) error {
	if len(rec) == 0 || len(rec) > MaxRecordSize {
		return fmt.Errorf("%w: a record has 1 to %d bytes, this one has %d", ErrInvalid, MaxRecordSize, len(rec))
	}
	if isPlain(rec) {
		return nil
	}
	if bytes.ContainsAny(rec, "\r\n") {
		return fmt.Errorf("%w: a record is one line, this one has a line break", ErrInvalid)
	}
	if !json.Valid(rec) {
		return fmt.Errorf("%w: a record is one JSON value, this one is not", ErrInvalid)
	}
	return nil
}
