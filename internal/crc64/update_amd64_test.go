package crc64

func accelerated() []implementation {
	var found []implementation
	if hasPCLMULQDQ {
		found = append(found, implementation{"PCLMULQDQ", updatePCLMULQDQ, 16})
	}
	if hasVPCLMULQDQ {
		found = append(found, implementation{"VPCLMULQDQ", updateVPCLMULQDQ, 256})
	}
	return found
}
