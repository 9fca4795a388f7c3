package images

import "testing"

// TestSteps: what ran in a build is read from its explanation. Stages that were not needed do not count.
func TestSteps(t *testing.T) {
	steps, err := readSteps([]byte(`{"stages": [
		{"instructions": [{"line": 1, "instruction": "RUN", "text": "RUN old", "needed": false, "cached": true}]},
		{"instructions": [
			{"line": 3, "instruction": "COPY", "text": "COPY . .", "needed": true, "cached": true},
			{"line": 4, "instruction": "RUN", "text": "RUN npm ci", "needed": true, "cached": false}]}]}`))
	if err != nil || len(steps) != 2 {
		t.Fatalf("%v, %v", steps, err)
	}
	if anyRunCached(steps) {
		t.Error("a cached COPY, or a step that was not needed, counts as a cached RUN")
	}
	if got := ranAgain(steps); len(got.Args) != 2 || got.Args[0] != 4 || got.Args[1] != "RUN npm ci" {
		t.Errorf("%v", got)
	}
	steps[1].Cached = true
	if !anyRunCached(steps) {
		t.Error("a cached RUN does not count")
	}
}

func TestErrorLine(t *testing.T) {
	for output, want := range map[string]string{
		"#1 step\n#2 ERROR\nminirun: \"/dist\" not found\nhint: write /app/dist\n": `"/dist" not found`,
		"minirun: no such image: app:latest\nhint: minirun images\n":               "no such image: app:latest",
		"Error: Cannot find module 'greet'\n":                                      "Error: Cannot find module 'greet'",
	} {
		if got := errorLine(output); got != want {
			t.Errorf("%q: %q", output, got)
		}
	}
}
