package main

import (
	"context"
	"log/slog"

	"github.com/tidemark-go/tidemark/backend"
)

// logged tells the log when an upload begins on the store and when it is made an object. The engine tells of the rest.
type logged struct {
	backend.MultipartBackend
	log *slog.Logger
}

// Unwrap lets the optional interfaces through.
func (l logged) Unwrap() backend.MultipartBackend { return l.MultipartBackend }

// Create implements backend.MultipartBackend.
func (l logged) Create(ctx context.Context, key string, attrs backend.Attributes) (backend.Upload, error) {
	u, err := l.MultipartBackend.Create(ctx, key, attrs)
	if err == nil {
		l.log.InfoContext(ctx, "begun", "key", key, "upload", u.ID)
	}
	return u, err
}

// Complete implements backend.MultipartBackend.
func (l logged) Complete(ctx context.Context, u backend.Upload, parts []backend.Part, opts backend.CompleteOptions) (backend.Object, error) {
	l.log.InfoContext(ctx, "all parts are stored; completing and verifying", "key", u.Key, "upload", u.ID, "parts", len(parts))
	return l.MultipartBackend.Complete(ctx, u, parts, opts)
}
