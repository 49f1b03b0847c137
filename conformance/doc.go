// Package conformance tests whether uploads survive: for people who write their own backend, their own checkpoint store, or both.
//
//	func TestConformance(t *testing.T) {
//		conformance.TestBackend(t, newBackend)          // the contract of backend.MultipartBackend
//		conformance.TestStore(t, newStore)              // the contract of checkpoint.Store
//		conformance.TestResume(t, newBackend, newStore) // every interruption of an upload through them, and every two
//	}
//
// Each is a table of rules (docs/rules.md lists them). A failure names the rule by its ID and says it in a sentence, then what was
// seen, and the command that runs just this again. A suite reports no violation where there is none: what the contracts
// leave open, it accepts. It does not find every defect: see what each function says about its limits.
package conformance
