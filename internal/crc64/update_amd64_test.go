package crc64

func accelerated() []implementation {
	var found []implementation
	if hasPCLMULQDQ {
		found = append(found, implementation{"PCLMULQDQ", updatePCLMULQDQ, 16})
	}
	return found
}
