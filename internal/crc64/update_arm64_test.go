package crc64

func accelerated() []implementation {
	if !hasPMULL {
		return nil
	}
	return []implementation{{"PMULL", updatePMULL, 16}}
}
