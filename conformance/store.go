package conformance

import "testing"

// TestStore tests a [checkpoint.Store], and each optional interface that it has, against the contract of package checkpoint, a subtest
// for each rule. It takes seconds for a store in local files.
//
// Unless the fixture says OneProcess, some rules start further processes: the same test binary, with -test.run for that one subtest. They
// come to the fixture function as any run of the test does, through TestMain if there is one, get the directory of the subtest that
// started them, and end without clean-up, as processes do that die. So the fixture function must find the same logs by dir alone, and its
// clean-up must bear to be registered several times in one subtest.
//
// An optional interface or a hook that is missing makes the rules about it pass; the subtest's log says so.
//
// Its limits: what needs an unlucky moment (races, power cuts) is tried often, not in every interleaving. Whether a store really survives
// the loss of power is only as true as the fixture's PowerCut.
func TestStore(t *testing.T, newFixture NewStore) {
	t.Helper()
	runProbes(t, storeProbes, func(t *testing.T) stores { return newStores(t, newFixture) })
}

var storeRules = []Rule{
	{"S01", "A log that does not exist has no records: Load returns none and no error, Delete returns nil, and neither makes one.", "checkpoint.Store.Load, checkpoint.Store.Delete"},
	{"S02", "Load returns the records byte for byte and in the order in which they were appended.", "checkpoint.Store.Load"},
	{"S03", "The records that Load returned are the caller's, and the slice that Append was given stays the caller's: a change in either changes no log.", "checkpoint.Store.Load, checkpoint.Store.Append"},
	{"S04", "Append at any position but the end of the log is ErrConflict and has no effect.", "checkpoint.Store.Append"},
	{"S05", "Of the callers that append at the same position at the same time exactly one succeeds, and the log has that one's record there.", "checkpoint.Store.Append"},
	{"S06", "Delete removes the log only if it has exactly as many records as the caller says and the last one equals the caller's; else it is ErrConflict and has no effect.", "checkpoint.Store.Delete"},
	{"S07", "After Delete there is no such log: Load returns nothing, IDs does not list it, Delete again is nil, and Append begins it anew at 0.", "checkpoint.Store.Delete"},
	{"S08", "Of an Append and a Delete at the same end of a log at the same time exactly one succeeds.", "checkpoint.Store.Append, checkpoint.Store.Delete"},
	{"S09", "A log that another handle deleted and wrote anew is not taken for the old one, not even at the same length in records or bytes.", "checkpoint.Store.Append, checkpoint.Store.Delete"},
	{"S10", "IDs lists every log that exists, once, by its very ID, and nothing else; the loop's body may use the store and may leave early.", "checkpoint.Store.IDs"},
	{"S11", "Any string of 1 to 1024 bytes is an ID, and no two of them ever share a log.", "checkpoint.Store"},
	{"S12", "An ID that is empty or longer than 1024 bytes is refused with ErrInvalid by every method, without effect, or is an ID like any other.", "checkpoint.Store, checkpoint.ErrInvalid"},
	{"S13", "Append takes every JSON value on one line from 1 byte to MaxRecordSize.", "checkpoint.Store, checkpoint.MaxRecordSize"},
	{"S14", "What is not a record (empty, too long, more than one line, not JSON) is refused with ErrInvalid and without effect, or is kept byte for byte.", "checkpoint.Store, checkpoint.ErrInvalid"},
	{"S15", "What one handle appends or deletes every other sees at once, whichever was opened first and in whichever process.", "checkpoint.Store"},
	{"S16", "A crash in an Append, which leaves any part of what it writes, costs at most that record: Load returns all before it, and the log goes on there.", "checkpoint.Store.Load, checkpoint.Store.Append"},
	{"S17", "From a damaged log Load returns only records that were appended, in their order, is ErrDamaged if one other than the last is gone, and leaves exactly what it returned, to go on from.", "checkpoint.Store.Load, checkpoint.ErrDamaged"},
	{"S18", "What was appended before Sync returned nil, or before Append did if the store is no Syncer, survives a power cut.", "checkpoint.Syncer, checkpoint.Store.Append"},
	{"S19", "What a power cut takes, it takes from the end of the log, in whole records, and the log goes on there.", "checkpoint.Store.Load, checkpoint.Store.Append"},
	{"S20", "While somebody has the lock, every other Lock of that ID is refused at once with an *InUseError that is ErrInUse and names the ID, through whichever handle and in whichever process.", "checkpoint.Locker"},
	{"S21", "After unlock the ID can be locked again, through whichever handle.", "checkpoint.Locker"},
	{"S22", "A lock is a lock of one ID: others can be locked beside it.", "checkpoint.Locker"},
	{"S23", "A lock dies with its process, however that dies.", "checkpoint.Locker"},
	{"S24", "A lock keeps out other Locks, not its holder's Load, Append, Delete and IDs, and makes no log.", "checkpoint.Locker"},
	{"S25", "A method whose context is done when it is called returns an error that is the context's and has no effect; IDs never passes off a listing that was broken off for a whole one.", "checkpoint.Store"},
	{"S26", "Logs that are written at the same time do not mix.", "checkpoint.Store"},
	{"S27", "A Load while others append returns the first records of the log, each of them whole, and no error.", "checkpoint.Store.Load, checkpoint.Store.Append"},
}

var storeProbes = []probe[stores]{
	{"S01", "no-log", noLog},
	{"S02", "round-trip", roundTrip},
	{"S03", "loaded", loadedIsTheCallers},
	{"S03", "appended", appendedIsTheCallers},
	{"S04", "positions", wrongPositions},
	{"S05", "goroutines", goroutinesContend},
	{"S05", "handles", handlesContend},
	{"S05", "processes", processesContend},
	{"S06", "fence", wrongDeletes},
	{"S07", "gone", deletedIsGone},
	{"S08", "one-handle", appendAgainstDelete},
	{"S08", "two-handles", appendAgainstDeleteOfAnother},
	{"S09", "same-records", writtenAnewWithTheSameRecords},
	{"S09", "same-bytes", writtenAnewWithTheSameBytes},
	{"S10", "listing", listing},
	{"S10", "many", listingMany},
	{"S11", "odd-ids", oddIDs},
	{"S12", "no-ids", invalidIDs},
	{"S13", "sizes", recordSizes},
	{"S14", "no-records", invalidRecords},
	{"S15", "handles", handlesSee},
	{"S15", "processes", processesSee},
	{"S16", "cut-short", cutShort},
	{"S16", "zeros", cutShortWithZeros},
	{"S16", "other-died", otherDied},
	{"S17", "flipped-byte", flippedByte},
	{"S18", "synced", syncedSurvives},
	{"S19", "unsynced", unsyncedIsAPrefix},
	{"S20", "one-handle", lockRefusesOneHandle},
	{"S20", "two-handles", lockRefusesTwoHandles},
	{"S20", "processes", lockRefusesProcesses},
	{"S21", "unlock", unlockFrees},
	{"S22", "other-ids", lockOfOneID},
	{"S23", "killed", lockDiesWithItsProcess},
	{"S24", "holder", holderWorks},
	{"S25", "done", contextDone},
	{"S25", "listing", contextDoneWhileListing},
	{"S26", "many-logs", manyLogs},
	{"S27", "readers", readers},
}
