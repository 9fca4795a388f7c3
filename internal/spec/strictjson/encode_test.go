package strictjson

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestFieldsAreThoseOfEncodingJSON: unexported fields and those with the tag "-" are neither written
// nor read, and a field without a tag has its Go name.
func TestFieldsAreThoseOfEncodingJSON(t *testing.T) {
	type item struct {
		Name    string `json:"name"`
		Hidden  string `json:"-"`
		Plain   int
		private string
		inside  map[string]int
	}
	type document struct {
		Items []item `json:"items"`
	}
	value := document{[]item{{Name: "a", Hidden: "h", Plain: 3, private: "p", inside: map[string]int{"x": 1}}}}
	got, err := Marshal(&value)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(value)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
	var read document
	p := &Problems{}
	Decode(p, got, &read)
	if plain := (document{[]item{{Name: "a", Plain: 3}}}); !reflect.DeepEqual(read, plain) {
		t.Errorf("read %+v, want %+v", read, plain)
	}
}
