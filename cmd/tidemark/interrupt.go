package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that the first SIGINT or SIGTERM ends, with errInterrupted as its cause. The second one finds
// the signals as they were, and ends the process at once.
func interruptible() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := []os.Signal{syscall.SIGTERM}
	// One that is ignored stays so: nohup, and a shell's background jobs, rest on it.
	if !signal.Ignored(os.Interrupt) {
		signals = append(signals, os.Interrupt)
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals...)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-caught:
			signal.Stop(caught)
			cancel(errInterrupted)
		case <-ctx.Done():
			signal.Stop(caught)
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-over
	}
}
