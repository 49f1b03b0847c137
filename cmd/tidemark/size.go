package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a number of bytes on the command line: a number with or without a fraction, and a unit.
type byteSize int64

var units = []struct {
	name  string
	bytes float64
}{
	{"", 1}, {"B", 1},
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	// A bare letter means the power of two, as for dd and split.
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40},
}

// UnmarshalText reads a size such as 8MiB, 10MB, 1.5G or 4096. Case does not matter.
func (s *byteSize) UnmarshalText(text []byte) error {
	given := string(text)
	digits := strings.TrimRight(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit := strings.TrimSpace(given[len(digits):])
	for _, u := range units {
		if !strings.EqualFold(unit, u.name) {
			continue
		}
		if whole, err := strconv.ParseInt(digits, 10, 64); err == nil && u.bytes == 1 && whole >= 0 {
			*s = byteSize(whole)
			return nil
		}
		number, err := strconv.ParseFloat(digits, 64)
		bytes := number * u.bytes
		// Below 2^63 as a float, since the largest int64 is none.
		if err == nil && strings.Trim(digits, "0123456789.") == "" && bytes < math.MaxInt64 && bytes == math.Trunc(bytes) {
			*s = byteSize(bytes)
			return nil
		}
	}
	return fmt.Errorf("%q is no size: give bytes, or a number and KiB, MiB, GiB, KB, MB or GB, as in 8MiB", given)
}

// flag writes a size as it can be given to a flag: exact, and as short as it goes.
func (s byteSize) flag() string {
	shortest := strconv.FormatInt(int64(s), 10)
	for _, u := range units[2:10] {
		if n := int64(s) / int64(u.bytes); n*int64(u.bytes) == int64(s) && s != 0 {
			if text := strconv.FormatInt(n, 10) + u.name; len(text) <= len(shortest) {
				shortest = text
			}
		}
	}
	return shortest
}

// String writes a size for people.
func (s byteSize) String() string {
	for i, name := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if unit := float64(uint64(1) << (10 * (4 - i))); float64(s) >= unit {
			return fmt.Sprintf("%.1f %s", float64(s)/unit, name)
		}
	}
	return fmt.Sprintf("%d B", int64(s))
}
