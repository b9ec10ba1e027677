package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/vobox-reconcile/vobox-reconcile/config"
)

// errNotJSON is about a document with no equivalent in JSON, such as one with a number as a key.
var errNotJSON = errors.New("not JSON")

// compiled is the schema, checked against its meta-schema.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("config.json")
})

// validate holds a YAML document against the schema, the way an editor does. errNotJSON means that it cannot be.
func validate(t testing.TB, doc []byte) error {
	t.Helper()
	s, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(doc, &v); err != nil {
		return fmt.Errorf("%w: %v", errNotJSON, err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w: %v", errNotJSON, err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return s.Validate(instance)
}

func TestSchemaGolden(t *testing.T) {
	const golden = "testdata/schema.json"
	got := config.Schema()
	if *update {
		put(t, golden, string(got))
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the schema has changed; look at the difference after: go test ./config -run Golden -update")
	}
}

// TestExamples loads every file in examples, and holds it against the schema.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("found %d examples: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, err := config.Load(file, testEnv()); err != nil {
				t.Error(err)
			}
			doc, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, doc); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReferenceHasEveryKey keeps the reference complete: every key of the schema is in it, be it in a comment.
func TestReferenceHasEveryKey(t *testing.T) {
	doc, err := os.ReadFile("../examples/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(config.Schema(), &root); err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			props, _ := v["properties"].(map[string]any)
			for key, p := range props {
				n++
				if !bytes.Contains(doc, []byte(key+":")) {
					t.Errorf("the key %s is not in reference.yaml", key)
				}
				if d, _ := p.(map[string]any)["description"].(string); d == "" {
					t.Errorf("the key %s has no description", key)
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(root)
	if n < 70 {
		t.Errorf("the schema has %d keys only", n)
	}
}

// TestSchemaAgrees holds every faulty document against the schema: it has to refuse those that it can, and those alone,
// so that the table of faults says exactly what an editor does not see.
func TestSchemaAgrees(t *testing.T) {
	for _, f := range faulties {
		t.Run(f.name, func(t *testing.T) {
			err := validate(t, []byte(f.doc))
			switch {
			case f.schema && err == nil:
				t.Errorf("the schema accepts\n%s", f.doc)
			case !f.schema && err != nil && !errors.Is(err, errNotJSON):
				t.Errorf("the schema refuses\n%s\nfor %v", f.doc, err)
			}
		})
	}
}
