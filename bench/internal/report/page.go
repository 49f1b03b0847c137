package report

import (
	"fmt"
	"strings"
)

// notes say how to read the table of that title.
var notes = map[string]string{
	"What this library promises itself": "Ratios of medians of this run.",
	"Plain HTTP":                        "A large file in parts of 8 MiB. \"To ours\" is the median over that of the first row.",
	"TLS":                               "The same over TLS 1.3, with a certificate made for the run. Over TLS the S3 clients do not sign a SHA-256 of the body, as they do over plain HTTP.",
	"Killed at half and resumed": "SIGKILL when the server has acknowledged half of the parts, then the same call in a new process. An acknowledged part is one " +
		"whose answer the server had written before the signal was sent; the others that had begun are in flight. The first new byte is the arrival of " +
		"the first part that the server does not have, counted from the start of the second call. ListParts alone is the time that net/http takes for all " +
		"pages of the same upload, one after the other and without reading the XML, in a process of its own just before.",
	"Parts of 64 MiB":          "Twice the large file, all holes, so that the file takes no memory either.",
	"Growth: wall us per part": "The same number everywhere in a row is linear growth.",
}

// Page returns docs/performance.md. The charts are in the same directory.
func (r *Report) Page() []byte {
	var b strings.Builder
	b.WriteString(`# Performance

What an upload costs with this library, and with those that people use today. The program in [bench/](../bench) makes this page; nothing
here was written down by hand.

`)
	r.measuredOn(&b)

	charts := map[string]Chart{}
	for _, c := range r.Charts() {
		charts[c.Name] = c
	}
	picture := func(name string) {
		if c, ok := charts[name]; ok {
			fmt.Fprintf(&b, "![%s](%s)\n\n", c.Alt, c.Name)
			delete(charts, name)
		}
	}
	for _, t := range r.Tables() {
		fmt.Fprintf(&b, "## %s\n\n", t.Title)
		switch {
		case t.Title == "Plain HTTP", t.Title == "TLS":
			picture(chartCPU)
		case strings.HasSuffix(t.Title, "parts of 100 KiB"):
			picture(chartParts)
		case t.Title == "Parts of 64 MiB":
			picture(chartMemory)
		}
		if note := notes[t.Title]; note != "" {
			b.WriteString(note + "\n\n")
		}
		b.WriteString(t.markdown() + "\n")
	}
	b.WriteString(onNetworks)
	b.WriteString(method)
	b.WriteString("## The clients\n\n")
	fmt.Fprintf(&b, "All send %d parts at once, of the same size; retries, timeouts, the HTTP client and all else are each library's own defaults.\n\n", r.Workers)
	b.WriteString(clientTable(r.Clients).markdown())
	return []byte(b.String())
}

// onNetworks is a part that another run makes: its chart and its page are beside this one.
const onNetworks = "## Networks\n\n![" + tracesAlt + "](" + chartTraces + ")\n\n" + tracesNote + "\nMade by `go run . -scenario network -o ../docs`. What other " +
	"clients do on networks that delay, bound, cut, refuse and keep silent is in [network.md](network.md).\n\n"

// measuredOn says where, when and by what command.
func (r *Report) measuredOn(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "Measured on %s: %s, %d cores, %s, %s, %s; revision %s of this repository. Load at the start: %s. Files on %s, checkpoints on %s. "+
		"The order of the clients comes from the seed %d.\n\n", m.Date, m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Revision, m.Load, m.Files, m.Checkpoints, r.Seed)
	fmt.Fprintf(b, "```sh\ncd bench\n%s\n```\n\n", r.Command)
}

// clientTable says what was compared.
func clientTable(clients []Client) Table {
	t := Table{Header: []string{"", "versions", "checksum", "settings"}}
	for _, c := range clients {
		t.Rows = append(t.Rows, []string{c.Title, strings.Join(c.Versions, ", "), c.Checksum, c.Settings})
	}
	return t
}

const method = `## How it is measured

- **One process an upload.** The program starts itself again for each upload, and for the server. CPU is user and system time by getrusage,
  wall by the monotonic clock, both as the difference around the library's call, so that the start of a process is left out for all alike.
  Peak memory is VmHWM of /proc/self/status at the end of the call, the program's own code included; the row of a process that uploads
  nothing says how much that is.
- **The server discards.** It reads bodies to their end and remembers numbers and sizes; its CPU is not counted, though it shares the cores with
  the client, and so has a part in the wall time. With parts of 100 KiB it returns the CRC-64 of parts and objects, as OSS does, else none.
  It checks no signature, and speaks HTTP/1.1 only, as OSS and S3 do.
- **Rounds.** In each round every client uploads once, over plain HTTP and TLS, or in each number of parts, in an order that is drawn anew:
  what is compared is measured at the same time. Tables have the median, and the least and the most in
  parentheses. Go SDK v1 with checkpoint takes minutes for 10,000 parts, and so has fewer runs there: see the column.
- **Every run is checked.** The server must have the object whole, in as many parts and bytes as the file has; where it returns CRCs, also the
  file's CRC-64. A run that fails ends the program.
- **Bytes written to files** are wchar of /proc/self/io, which counts what the process gave to write calls, minus what arrived on the server's
  connections. It is exact to some kilobytes (wake-ups of Go's scheduler count), and not told over TLS, where the two are the same too but the
  handshake is among them.
- **Parts of 100 KiB**: the last is one byte short. At exactly 10,000 times the part size, Go SDK v2 doubles the part size.
- The files were written long enough before that their time stamps prove what this library asks of them, and are read once before each run,
  so that no disk is measured.

`
