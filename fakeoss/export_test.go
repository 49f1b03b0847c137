package fakeoss

// OperationNames returns the names in the router's table.
func OperationNames() []string {
	var names []string
	for _, op := range operations() {
		names = append(names, op.name)
	}
	return names
}
