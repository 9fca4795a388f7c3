package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/minirun/minirun/tests/testbundle"
)

func TestTraceRecordsSteps(t *testing.T) {
	b := testbundle.New(t, memory(64<<20), testbundle.Args("true"))
	file := func(ext string) string {
		t.Helper()
		name := filepath.Join(b.Host, "trace."+ext)
		b.Run("--trace", name).Exit(t, 0)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	has(t, file("txt"), "steps took", "minirun", "config.json: ")
	var trace struct {
		TraceEvents []struct {
			Name, Ph string
			TS, Dur  float64
			Args     map[string]string
		}
	}
	if err := json.Unmarshal([]byte(file("json")), &trace); err != nil {
		t.Fatal(err)
	}
	steps, last, inside := 0, 0.0, 0.0
	for _, e := range trace.TraceEvents {
		if e.Ph != "X" {
			continue
		}
		if e.TS < last || e.Dur < 0 {
			t.Errorf("%s begins at %v after %v and takes %v", e.Name, e.TS, last, e.Dur)
		}
		last = e.TS
		if e.Args["step"] != "" {
			steps, inside = steps+1, inside+e.Dur
		}
	}
	if steps < 100 || inside < 100 || inside > 10e6 {
		t.Errorf("%d steps took %v microseconds", steps, inside)
	}
	b.Run("--trace", "/x.pdf").Fails(t, "--trace", ".json", ".html", ".txt")
	has(t, file("html"), "<!doctype html>", `"call":"pivot_root(`, "Content-Security-Policy")
}

// A real browser renders the page, which fetches nothing.
func TestTracePage(t *testing.T) {
	testbundle.Need(t)
	browser := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
		}
	}
	if browser == "" {
		t.Skip("needs a browser: apt-get install chromium")
	}
	b := testbundle.New(t, testbundle.Args("true"))
	page, picture := filepath.Join(b.Host, "trace.html"), filepath.Join(b.Host, "trace.png")
	b.Run("--trace", page).Exit(t, 0)
	flags := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--user-data-dir=" + filepath.Join(b.Host, "profile"),
		"--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=3000"}
	cmd := exec.Command(browser, append(flags, "--dump-dom", "file://"+page)...)
	cmd.Env = append(os.Environ(), "HOME="+b.Host, "XDG_CONFIG_HOME="+b.Host, "XDG_CACHE_HOME="+b.Host)
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	drawn := regexp.MustCompile(`data-ready="(\d+)"`).FindSubmatch(dom)
	if drawn == nil {
		t.Fatalf("the page's script did not come to its end:\n%.2000s", dom)
	}
	if rows := strings.Count(string(dom), "<tr>"); fmt.Sprint(rows-1) != string(drawn[1]) {
		t.Errorf("%d rows of %s", rows-1, drawn[1])
	}
	has(t, string(dom), "pivot_root", "config.json: mounts[0]")
	cmd = exec.Command(browser, append(flags, "--screenshot="+picture, "--window-size=1200,900", "file://"+page)...)
	cmd.Env = append(os.Environ(), "HOME="+b.Host, "XDG_CONFIG_HOME="+b.Host, "XDG_CACHE_HOME="+b.Host)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if info, err := os.Stat(picture); err != nil || info.Size() < 10000 {
		t.Errorf("the screenshot: %v, %v", info, err)
	}
}
