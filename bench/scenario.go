package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidemark-go/tidemark/bench/internal/report"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

// smallPart is the least that OSS takes.
const smallPart = 100 * kib

// scenario is one file that all its clients upload, again and again.
type scenario struct {
	name string
	content
	partSize int64 // bytes
	tls, crc bool  // of the server
	clients  []string
}

// content is what a file has.
type content struct {
	size   int64 // bytes
	sparse bool  // all zeros, which take no room
}

func (s scenario) parts() int { return int((s.size + s.partSize - 1) / s.partSize) }

var scenarioNames = []string{report.Plain, report.TLS, report.Parts, report.Memory, report.Killed, report.Network}

// slow is the client that takes minutes for 10,000 parts, and so gets fewer rounds there.
const slow = "v1-checkpoint"

func isSlow(client string, parts int) bool { return client == slow && parts > 2000 }

// small returns the scenario of so many parts of 100 KiB. The last is one byte short: at exactly 10,000 times the part size, Go SDK v2
// doubles the part size.
func small(parts int) scenario {
	return scenario{
		name: fmt.Sprintf("%s-%d", report.Parts, parts), content: content{size: int64(parts)*smallPart - 1}, partSize: smallPart, crc: true,
		clients: []string{"tidemark", "tidemark-memory", "raw", "raw+crc64", "v1", slow, "v1-nocrc", "v2", "v2-checkpoint"},
	}
}

// killed is the scenario of the upload that is killed.
func (s settings) killed() scenario {
	sc := small(s.killParts)
	sc.name = report.Killed
	return sc
}

// groups returns the scenarios of the asked names in which all clients upload a file to its end. Those of a group are compared with each
// other, and so measured in the same rounds.
func (s settings) groups() [][]scenario {
	var large, many, memory []scenario
	for _, name := range s.asked {
		switch name {
		case report.Plain, report.TLS:
			large = append(large, scenario{
				name: name, content: content{size: s.size}, partSize: s.partSize, tls: name == report.TLS,
				clients: []string{"tidemark", "tidemark-memory", "raw", "raw+crc64", "v1", slow, "v1-nocrc", "v2", "v2-checkpoint",
					"minio", "aws-transfermanager", "aws-manager"},
			})
		case report.Parts:
			for _, n := range s.parts {
				many = append(many, small(n))
			}
		case report.Memory:
			memory = append(memory, scenario{
				name: name, content: content{size: 2 * s.size, sparse: true}, partSize: 64 * mib,
				clients: []string{"nothing", "tidemark", "raw", "v1", slow, "v2", "v2-checkpoint", "minio", "aws-transfermanager", "aws-manager"},
			})
		}
	}
	groups := [][]scenario{large, many, memory}
	for _, group := range groups {
		for i := range group {
			group[i].clients = s.chosen(group[i].clients)
		}
	}
	return groups
}

// chosen returns the clients that were asked for, in the order of all, or all if none were.
func (s settings) chosen(all []string) []string {
	if len(s.clients) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(c string) bool { return !slices.Contains(s.clients, c) })
}

// split cuts a list of flags at its commas.
func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}
