package report

func (r *Report) NetworkPage() []byte    { return nil }
func (r *Report) NetworkCharts() []Chart { return nil }
