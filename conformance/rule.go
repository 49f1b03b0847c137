package conformance

import "fmt"

// Rule is one sentence of a contract. docs/rules.md lists them all.
type Rule struct {
	ID       string // B…: a backend; S…: a checkpoint store; R…: an upload through both
	Sentence string
	Stated   string // where the contract says so
}

// Rules returns all rules, in the order of docs/rules.md.
func Rules() []Rule {
	var all []Rule
	for _, table := range [][]Rule{backendRules, storeRules, resumeRules} {
		all = append(all, table...)
	}
	return all
}

// ruleOf panics for an ID that is in no table, which is a defect of this package.
func ruleOf(id string) Rule {
	for _, r := range Rules() {
		if r.ID == id {
			return r
		}
	}
	panic(fmt.Sprintf("conformance: no rule %s", id))
}
