package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-go/tidemark/bench/internal/client"
	"github.com/tidemark-go/tidemark/bench/internal/report"
)

// unknown stands for what the system does not tell.
const unknown = "unknown"

// machine describes where this runs. What cannot be found out is unknown: it is for readers only.
func machine(ctx context.Context, dir, checkpoints string) report.Machine {
	m := report.Machine{
		CPU: afterColon("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: afterColon("/proc/meminfo", "MemTotal") + " of memory",
		Kernel: unknown, Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, Revision: unknown,
		Date: time.Now().UTC().Format("2006-01-02 15:04 UTC"), Load: unknown, Files: fileSystem(dir), Checkpoints: fileSystem(checkpoints),
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = "Linux " + strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], ", ")
	}
	if out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output(); err == nil {
		m.Revision = strings.TrimSpace(string(out))
	}
	return m
}

// afterColon returns the value of the first line "name : value" of a file in /proc.
func afterColon(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(text)) {
		if before, after, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(before) == name {
			return strings.TrimSpace(after)
		}
	}
	return unknown
}

// fileSystem returns the type of the file system that dir is on, by the longest mount point above it.
func fileSystem(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return unknown
	}
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return unknown
	}
	longest, kind := -1, unknown
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		point := fields[1]
		if (dir == point || strings.HasPrefix(dir, strings.TrimSuffix(point, "/")+"/")) && len(point) >= longest {
			longest, kind = len(point), fields[2]
		}
	}
	return kind
}

// describe returns what tables say of the clients, with the versions that this program was built with.
func describe(clients []client.Client) []report.Client {
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			versions[dep.Path] = dep.Version
			if dep.Replace != nil {
				versions[dep.Path] = "this tree"
			}
		}
	}
	var list []report.Client
	for _, c := range clients {
		d := report.Client{Name: c.Name, Title: c.Title, Checksum: c.Checksum, Settings: c.Settings}
		for _, module := range c.Modules {
			d.Versions = append(d.Versions, module+" "+versions[module])
		}
		list = append(list, d)
	}
	return list
}

// measured leaves out the clients that are in none of the report's tables.
func measured(clients []client.Client, r *report.Report) []client.Client {
	return slices.DeleteFunc(clients, func(c client.Client) bool {
		return !slices.ContainsFunc(r.Rows, func(row report.Row) bool { return row.Client == c.Name }) &&
			!slices.ContainsFunc(r.Kills, func(k report.Kill) bool { return k.Client == c.Name })
	})
}

// crossed leaves out the clients that are in no case of the scenario network.
func crossed(clients []client.Client, r *report.Report) []client.Client {
	return slices.DeleteFunc(clients, func(c client.Client) bool {
		return !slices.ContainsFunc(r.Network, func(row report.NetworkRow) bool { return row.Client == c.Name })
	})
}
