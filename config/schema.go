package config

import (
	"bytes"
	"encoding/json"
)

// schemaID names the schema; the version is that of the key version.
const schemaID = "https://github.com/vobox-reconcile/vobox-reconcile/schema/config-1.json"

// A schema is a JSON Schema (draft 2020-12), as much of it as is needed here. Its members are printed in this order.
type schema struct {
	Schema        string     `json:"$schema,omitempty"`
	ID            string     `json:"$id,omitempty"`
	Title         string     `json:"title,omitempty"`
	Description   string     `json:"description,omitempty"`
	Type          any        `json:"type,omitempty"` // a string, or several
	Const         any        `json:"const,omitempty"`
	Enum          []string   `json:"enum,omitempty"`
	Pattern       string     `json:"pattern,omitempty"`
	Maximum       int        `json:"maximum,omitempty"`
	Default       any        `json:"default,omitempty"`
	Examples      []any      `json:"examples,omitempty"`
	Properties    properties `json:"properties,omitempty"`
	Required      []string   `json:"required,omitempty"`
	PropertyNames *schema    `json:"propertyNames,omitempty"`
	Additional    any        `json:"additionalProperties,omitempty"` // false, or a *schema
	Items         *schema    `json:"items,omitempty"`
	MinItems      int        `json:"minItems,omitempty"`
	AnyOf         []*schema  `json:"anyOf,omitempty"`
	OneOf         []*schema  `json:"oneOf,omitempty"`
}

// A property is a key and its schema; properties keep their order, which is the order an editor offers them in.
type property struct {
	key    string
	schema *schema
}

type properties []property

func (ps properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, p := range ps {
		if b.WriteByte(','); i == 0 {
			b.Reset()
			b.WriteByte('{')
		}
		key, err := json.Marshal(p.key)
		if err != nil {
			return nil, err
		}
		val, err := encode(p.schema)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(val)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode is json.Marshal without escaping <, > and &, which are common in our texts.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// Schema returns the JSON Schema of a whole configuration, made from the table that the reader uses. It knows types,
// names, patterns, defaults and what excludes what; what depends on two values or on the host only Load can tell.
func Schema() []byte {
	s := object{new(Config).fields()}.schema()
	s.Schema, s.ID = "https://json-schema.org/draft/2020-12/schema", schemaID
	s.Title = "Configuration of vobox-reconcile"
	s.Description = "Which grid credentials, env files and services a VO-box keeps up to date. A file in conf.d has the same keys, none of them required."
	raw, err := encode(s)
	if err != nil {
		panic(err) // the table is a constant of the program; a test prints it
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func (o object) schema() *schema {
	s := &schema{Type: "object", Additional: false}
	for _, f := range o.fields {
		p := f.value.schema()
		p.Description, p.Default = f.doc, f.jsonDefault()
		if f.defDoc != "" {
			p.Description += " Default: " + f.defDoc + "."
		}
		if f.example != nil {
			p.Examples = []any{f.example}
		}
		if f.required {
			s.Required = append(s.Required, f.key)
		}
		s.Properties = append(s.Properties, property{f.key, p})
	}
	s.OneOf = exclusive(o)
	return s
}

// exclusive is the rule of an object that needs exactly one of some keys.
func exclusive(o object) []*schema {
	var all []*schema
	for _, f := range o.fields {
		if f.choice {
			all = append(all, &schema{Required: []string{f.key}})
		}
	}
	return all
}

// jsonDefault is the default as JSON has it; a file mode stays text, since JSON has no octal numbers.
func (f field) jsonDefault() any {
	switch {
	case f.def == "":
		return nil
	case tagOf(f.def) == "!!bool":
		return f.def == "true"
	}
	return f.def
}

func (l list[T]) schema() *schema {
	return &schema{Type: "array", Items: l.elem(new(T)).schema(), MinItems: l.least}
}
