package container

// paused is to be written with pause and resume.
func (r *Record) paused() bool { return false }
