package fault_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/tidemark-go/tidemark/backend/memory"
	"github.com/tidemark-go/tidemark/checkpoint"
	"github.com/tidemark-go/tidemark/conformance/fault"
	"github.com/tidemark-go/tidemark/upload"
)

// How an application tests itself: here its process dies when the second part has just been stored, and the next one meets a Complete
// whose answer is lost. In the end the object is there, and the second part was not lost with the process.
func Example() {
	schedule, err := fault.Parse("UploadPart#2 crash-after; Complete#1 lost")
	if err != nil {
		log.Fatal(err)
	}
	faults := fault.New(schedule, nil)
	objects, checkpoints := memory.New(nil), checkpoint.NewMemory()
	source := fault.NewSource("the report", 300<<10, 1) // or any upload.Source
	opts := &upload.Options{Concurrency: 1, Threshold: -1, Retry: upload.Retry{BaseDelay: time.Millisecond}}

	for range 2 {
		p := faults.Process() // everything that the process has goes through p
		u := upload.New(p.Backend(objects), p.Store(checkpoints), opts)
		res, err := u.Upload(context.Background(), "report", p.Source(source), &upload.Request{PartSize: 100 << 10})
		if err != nil {
			fmt.Println("died:", p.Dead())
			continue
		}
		fmt.Printf("%d bytes: %d sent, %d were there already\n", res.Object.Size, res.Sent, res.Reused)
	}

	faults.Settle()
	for _, call := range faults.Calls() {
		if call.Kind != "" {
			fmt.Println(call.Op, call.Kind, "- took effect:", call.Effect)
		}
	}
	if err := faults.Unfired(); err != nil { // planned, but it did not happen: nothing was tested
		log.Fatal(err)
	}
	// Output:
	// died: true
	// 307200 bytes: 102400 sent, 204800 were there already
	// UploadPart crash-after - took effect: true
	// Complete lost - took effect: true
}

// Things happen beside the calls as well: here the source is edited while it is being uploaded.
func ExampleOptions() {
	source := fault.NewSource("the report", 300<<10, 1)
	faults := fault.New(fault.Schedule{{Op: "UploadPart", N: 3, Kind: fault.Edited}}, &fault.Options{Event: source.Change})
	p := faults.Process()
	u := upload.New(p.Backend(memory.New(nil)), checkpoint.NewMemory(), &upload.Options{Concurrency: 1, Threshold: -1})
	res, err := u.Upload(context.Background(), "report", p.Source(source), &upload.Request{PartSize: 100 << 10})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d bytes sent for %d: the part that had changed was sent again\n", res.Sent, res.Object.Size)
	fmt.Println(faults.Unfired())
	// Output:
	// 409600 bytes sent for 307200: the part that had changed was sent again
	// <nil>
}

func ExampleParse() {
	schedule, err := fault.Parse("UploadPart#2 late+3; Complete#1 lost")
	fmt.Println(schedule, err)
	_, err = fault.Parse("Stat#1 lost")
	fmt.Println(err)
	// Output:
	// UploadPart#2 late+3; Complete#1 lost <nil>
	// fault: "Stat#1 lost": "lost" is nothing that goes wrong with Stat; that is one of [refused denied throttled torn crash-before stalled], or of [edited truncated grown touched replaced expired occupied] before it
}
