package enroll

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vobox-reconcile/vobox-reconcile/reconcile/attrcert"
)

// All asks for every group and role that the user holds.
const All = "all"

// Attributes are what is asked of one VO.
type Attributes struct {
	VO    string   // the VO's name, or its alias in a vomses file
	FQANs []string // in the order wanted, in short form; none: the VO's group. All stands for everything
}

// ParseAttributes reads a value of voms-proxy-init's option -voms: VO, VO:FQAN or VO:FQAN,FQAN. A bare FQAN names its VO
// itself.
func ParseAttributes(s string) (Attributes, error) {
	vo, list, some := strings.Cut(s, ":")
	bare := strings.HasPrefix(s, "/")
	if bare {
		vo, list, some = "", s, true
	}
	a := Attributes{VO: vo}
	if some {
		for f := range strings.SplitSeq(list, ",") {
			if f == All && list == All && vo != "" {
				return Attributes{VO: vo, FQANs: []string{All}}, nil
			}
			fqan, err := parseFQAN(f)
			if err != nil {
				return Attributes{}, fmt.Errorf("%q: %w; write VO or VO:FQAN, such as alice:/alice/Role=lcgadmin", s, err)
			}
			if bare {
				a.VO = fqan.VO()
			}
			a.FQANs = append(a.FQANs, fqan.String())
		}
	}
	if a.VO == "" || strings.ContainsAny(a.VO, "/ \t\"'") {
		return Attributes{}, fmt.Errorf("%q names no VO; write VO or VO:FQAN, such as alice:/alice/Role=lcgadmin", s)
	}
	return a, nil
}

// parseFQAN reads an FQAN, also in the form GROUP:ROLE of voms-proxy-init's option -order.
func parseFQAN(s string) (attrcert.FQAN, error) {
	if group, role, ok := strings.Cut(s, ":"); ok && !strings.Contains(group, "Role=") {
		s = group + "/Role=" + role
	}
	return attrcert.ParseFQAN(s)
}

// Merge makes one request of all that is asked of one VO, in the order in which the VOs are first named, and puts the
// FQANs of order first. An FQAN in order that was not asked for is asked for, so that it can be first: a server gives what
// it was asked for before what the user has besides.
func Merge(asked []Attributes, order []string) ([]Attributes, error) {
	var out []Attributes
	for _, a := range asked {
		i := slices.IndexFunc(out, func(o Attributes) bool { return o.VO == a.VO })
		if i < 0 {
			out = append(out, Attributes{VO: a.VO, FQANs: slices.Clone(a.FQANs)})
			continue
		}
		// "-voms alice -voms alice:/alice/Role=x" asks for the group first, and for the role.
		for _, o := range []*Attributes{&out[i], &a} {
			if len(o.FQANs) == 0 {
				o.FQANs = []string{"/" + o.VO}
			}
		}
		for _, f := range a.FQANs {
			if !slices.Contains(out[i].FQANs, f) {
				out[i].FQANs = append(out[i].FQANs, f)
			}
		}
	}
	for _, a := range out {
		if len(a.FQANs) > 1 && slices.Contains(a.FQANs, All) {
			return nil, fmt.Errorf("%s:all asks for everything already; leave the other attributes of %s out", a.VO, a.VO)
		}
	}
	for _, s := range slices.Backward(order) {
		if err := first(out, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// first moves an FQAN to the front of its VO's.
func first(asked []Attributes, s string) error {
	fqan, err := parseFQAN(s)
	if err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	i := slices.IndexFunc(asked, func(a Attributes) bool { return belongs(a, fqan) })
	switch {
	case i < 0:
		return fmt.Errorf("%q is of VO %s, which --voms does not name", s, fqan.VO())
	case slices.Contains(asked[i].FQANs, All):
		return fmt.Errorf("%q cannot be put first of everything: name the attributes instead of %s:all", s, asked[i].VO)
	}
	a := &asked[i]
	if len(a.FQANs) == 0 && fqan.String() != "/"+fqan.VO() {
		a.FQANs = []string{"/" + fqan.VO()}
	}
	a.FQANs = slices.DeleteFunc(a.FQANs, func(f string) bool { return f == fqan.String() })
	a.FQANs = slices.Insert(a.FQANs, 0, fqan.String())
	return nil
}

// belongs reports whether an FQAN is of the VO that was asked, which may have been named by an alias.
func belongs(a Attributes, f attrcert.FQAN) bool {
	if a.VO == f.VO() {
		return true
	}
	return slices.ContainsFunc(a.FQANs, func(s string) bool {
		other, err := attrcert.ParseFQAN(s)
		return err == nil && other.VO() == f.VO()
	})
}
