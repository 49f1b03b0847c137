package report

import (
	"slices"
)

// Spread is what many measurements come to.
type Spread struct{ Median, Min, Max float64 }

// spreadOf returns the spread of a value over the samples of a row; zero if there are none.
func spreadOf[T any](samples []T, value func(T) float64) Spread {
	if len(samples) == 0 {
		return Spread{}
	}
	var values []float64
	for _, s := range samples {
		values = append(values, value(s))
	}
	slices.Sort(values)
	n := len(values)
	return Spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}
}

const gib = 1 << 30

// Wall is in seconds.
func (r *Row) Wall() Spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return s.Wall.Seconds() })
}

// CPU is in seconds.
func (r *Row) CPU() Spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return s.CPU.Seconds() })
}

// CPUPerGiB is in seconds per GiB of the file.
func (r *Row) CPUPerGiB() Spread { return r.CPU().scale(gib / float64(r.Size)) }

// CPUPerPart is in microseconds.
func (r *Row) CPUPerPart() Spread { return r.CPU().scale(1e6 / float64(r.Parts)) }

// Peak is in MiB.
func (r *Row) Peak() Spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return float64(s.Peak) / (1 << 20) })
}

// Written is in MiB; negative if it is not known.
func (r *Row) Written() Spread {
	return spreadOf(r.Samples, func(s Sample) float64 { return float64(s.Written) / (1 << 20) })
}

func (s Spread) scale(by float64) Spread { return Spread{s.Median * by, s.Min * by, s.Max * by} }
