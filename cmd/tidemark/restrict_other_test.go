//go:build !linux && !darwin

package main

// restrict does nothing: the tests that need it are for systems with users and limits of Unix's kind.
func restrict() {}
