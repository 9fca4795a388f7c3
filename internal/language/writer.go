package language

import "io"

// NewWriter returns a writer that translates what is written to it, if the language is not English. Each call
// of Write must have complete sentences.
func NewWriter(w io.Writer) io.Writer {
	if Current() == English {
		return w
	}
	return writer{w}
}

type writer struct{ to io.Writer }

// Write implements io.Writer.
func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.to, Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
