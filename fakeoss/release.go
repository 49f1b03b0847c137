package fakeoss

// The faults that come over HTTP name what they wait for, where those of a Go test have a channel.

// named returns the channel of a name, which several faults may share.
func (f *faults) named(name string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.releases == nil {
		f.releases = map[string]chan struct{}{}
	}
	if f.releases[name] == nil {
		f.releases[name] = make(chan struct{})
	}
	return f.releases[name]
}

// nameOf is the name of a channel that named has returned. f.mu is held.
func (f *faults) nameOf(release <-chan struct{}) string {
	for name, c := range f.releases {
		if c == release {
			return name
		}
	}
	return ""
}

// releaseNamed lets go on what waits for a name, and reports whether the name was given. It may be given anew afterwards.
func (f *faults) releaseNamed(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.releases[name]
	if c == nil {
		return false
	}
	close(c)
	delete(f.releases, name)
	return true
}

// forget drops all faults, and lets what they hold up go on.
func (f *faults) forget() {
	f.mu.Lock()
	f.plans = nil
	for _, c := range f.releases {
		close(c)
	}
	f.releases = nil
	due := f.held
	f.held = nil
	f.mu.Unlock()
	for _, e := range due {
		close(e.release)
		<-e.done
	}
}
