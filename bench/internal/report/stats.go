package report

import (
	"fmt"
	"slices"
	"time"
)

// spread is what many measurements come to.
type spread struct{ median, min, max float64 }

// spreadOf returns the spread of a value over samples; zero if there are none.
func spreadOf[T any](samples []T, value func(T) float64) spread {
	if len(samples) == 0 {
		return spread{}
	}
	var values []float64
	for _, s := range samples {
		values = append(values, value(s))
	}
	slices.Sort(values)
	n := len(values)
	return spread{median: (values[(n-1)/2] + values[n/2]) / 2, min: values[0], max: values[n-1]}
}

func (s spread) scale(by float64) spread { return spread{s.median * by, s.min * by, s.max * by} }

// text is "median (min–max)", with so many decimals, or the median alone where there is no other value.
func (s spread) text(decimals int) string {
	if s.min == s.max {
		return fmt.Sprintf("%.*f", decimals, s.median)
	}
	return fmt.Sprintf("%.*f (%.*f–%.*f)", decimals, s.median, decimals, s.min, decimals, s.max)
}

// ratio is "median/of", or nothing if there is nothing to compare with.
func ratio(median, of float64) string {
	if of <= 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", median/of)
}

const (
	gib = 1 << 30
	mib = 1 << 20
)

// wall is in seconds.
func (r *Row) wall() spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return s.Wall.Seconds() })
}

// cpu is in seconds.
func (r *Row) cpu() spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return s.CPU.Seconds() })
}

// cpuPerGiB is in seconds per GiB of the file.
func (r *Row) cpuPerGiB() spread { return r.cpu().scale(gib / float64(r.Size)) }

// cpuPerPart is in microseconds.
func (r *Row) cpuPerPart() spread { return r.cpu().scale(1e6 / float64(r.Parts)) }

// wallPerPart is in microseconds.
func (r *Row) wallPerPart() spread { return r.wall().scale(1e6 / float64(r.Parts)) }

// peak is in MiB.
func (r *Row) peak() spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return float64(s.Peak) / mib })
}

// written is in MiB; negative if it is not known.
func (r *Row) written() spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return float64(s.Written) / mib })
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
