package report

import (
	"fmt"
	"strings"
)

// networkNotes say how to read the table of that title.
var networkNotes = map[string]string{
	"What this library promises itself on networks": "Medians of this run, and how many uploads of this library finished. That neither of two uploads starves, nor somebody " +
		"else, is told by two bounds of our own: one of two ends at most a quarter later, and one other connection gets what it would beside eight.",
	"Distance": "A round trip of 50 ms and 20 MB/s for each connection, 256 MiB. What the link needs: 32 connections from the first moment, that is the " +
		"bytes at 640 MB/s and three round trips. The yardstick is net/http with 32 connections in parts of 8 MiB, which knows the link beforehand.",
	"Distance, a larger file": "The same link, 2 GiB (all holes). The yardstick pays a round trip for the answer to each part, and what two cores take for client, server and link.",
	"A link that is capped":   "The same link with 20 MB/s for all connections together, shared fairly, 256 MiB. What the link needs is the bytes at 20 MB/s.",
	"Two uploads of one Uploader": "The capped link; two files of 128 MiB at once. What the link needs is the bytes of both at 20 MB/s. Each: the time until the one and the other " +
		"was complete, in the first run.",
	"Somebody else on the link": "The capped link; 128 MiB, and at the same moment another process that uploads as much over one connection. The share is what that one " +
		"got of all bytes while both ran; parts at once are those of both.",
	"Faults": "No delay, 1 GiB. Of the part requests 5% are reset when half of their body was read, and 5% are read whole and answered 503. The seeds are 1, 2, 3 and so " +
		"on; the n-th part request of a seed meets the same whoever sends it. Bytes are those that the server read: what a client had sent beyond " +
		"them into buffers of the system when a reset came is on neither side of the ratio, and nor is what S3 clients wrap around the content.",
	"A line that cuts": "A round trip of 20 ms, 20 MB/s for each connection, and each connection is reset when it has carried 3 MiB. 1 GiB, no second try.",
	"Connections that never answer": "The link of the first table, 1 GiB; of every ten connections one, chosen by the seed, is accepted and then never read nor answered nor closed. " +
		"A client gets 90 s.",
}

// NetworkPage returns docs/network.md. The chart is in the same directory.
func (r *Report) NetworkPage() []byte {
	var b strings.Builder
	b.WriteString(`# Networks as they are

What uploads take where the network delays, bounds, cuts, refuses and keeps silent, with every client at its own defaults: nobody knows a
network beforehand. The program in [bench/](../bench) makes this page; nothing here was written down by hand.

`)
	r.measuredOn(&b)
	for _, c := range r.NetworkCharts() {
		fmt.Fprintf(&b, "## What this library decides\n\n![%s](%s)\n\n%s\n", c.Alt, c.Name, tracesNote)
	}
	for _, t := range r.NetworkTables() {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n%s\n", t.Title, networkNotes[t.Title], t.markdown())
	}
	b.WriteString(networkMethod)
	b.WriteString("## The clients\n\nNone is given a part size or a concurrency, but for one that asks for a part size.\n\n")
	b.WriteString(clientTable(r.NetworkClients).markdown())
	return []byte(b.String())
}

const tracesNote = "Six uploads of this library at its defaults, as the server sees them. From the left, row by row: a distant server; the same behind a cap; a home line; " +
	"no link at all; a long line that loses three quarters of its capacity and gets it back; and a server that serves six parts at once and " +
	"answers further ones 503 with OSS's QpsLimitExceeded.\n"

const networkMethod = `## How it is measured

- **The link is simulated** at the server's end of real connections ([internal/link](../internal/link)): the first byte of a connection and of each
  answer is late by a round trip; bytes are taken from the system in pieces of at most 5 ms and handed on when the line has carried them; a line
  that all share takes a piece of at most 2 ms of each connection in turn. Accepted connections have receive buffers of 128 KiB; what a client has
  sent beyond them waits in its own send buffer, which over loopback grows to some megabytes, more than that of a real slow line. Loss of packets,
  reordering and TCP's slow start are not simulated: they would make connections slower than told here, for all clients alike.
- **One process an upload, one server an upload.** The program starts itself again for each, and for the server that the upload goes to, so that
  connections and requests are counted from the first and meet the same whoever sends them. Wall is around the library's call. Client, server
  and link share the cores of one machine.
- **Rounds.** In each round every client of a case uploads once, in an order that is drawn anew. Tables have the median, and the least and the most
  in parentheses, of the uploads that finished.
- **Every upload is checked**: the server must have the object whole, with the CRC-64 of the file. One that fails, or takes longer than its limit, is a
  row that says why, with the first line of what the client says. It is not tried again.

`
