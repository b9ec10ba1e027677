package page

import (
	"reflect"
	"strings"
	"unicode"
)

// maxShown is how many bytes of one text are shown.
const maxShown = 4096

// printable returns a copy of v in which each string is fit to be shown: what would turn text around, or is not valid, is
// a question mark. v holds plain data: structs, slices, pointers, maps and values.
func printable[T any](v T) T {
	out := reflect.New(reflect.TypeFor[T]()).Elem()
	out.Set(shown(reflect.ValueOf(&v).Elem()))
	return out.Interface().(T)
}

func shown(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.String:
		return reflect.ValueOf(shownText(v.String())).Convert(v.Type())
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(shown(v.Elem()))
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(shown(v.Index(i)))
		}
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(shown(v.Field(i)))
			}
		}
		return out
	}
	return v
}

func shownText(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n':
			return c
		case c == unicode.ReplacementChar || !unicode.IsPrint(c):
			return '?'
		}
		return c
	}, s)
}
