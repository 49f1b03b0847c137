//go:build race

package fakeoss_test

// raceFactor is how much more memory and time the race detector takes, about.
const raceFactor = 4
