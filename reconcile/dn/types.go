package dn

import (
	"encoding/asn1"
	"slices"
	"strings"
)

// An attributeType is a type of attribute that has a name in OpenSSL.
type attributeType struct {
	oid   asn1.ObjectIdentifier
	short string   // what OpenSSL 3 prints
	other []string // further spellings that are read, compared without case
	tag   int      // string type that the type's definition asks for; 0: any (DirectoryString)
}

// attributeTypes is a slice and not a map so that it costs nothing when the program starts. The most frequent come first.
// Names are those of OpenSSL 3.0 (crypto/objects/objects.txt); other spellings were met in grid-mapfiles, in the
// VOMS servers' databases and in what canl-java prints.
var attributeTypes = [...]attributeType{
	{oid: asn1.ObjectIdentifier{2, 5, 4, 3}, short: "CN", other: []string{"commonName"}},
	{oid: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, short: "DC", other: []string{"domainComponent"}, tag: asn1.TagIA5String},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 11}, short: "OU", other: []string{"organizationalUnitName"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 10}, short: "O", other: []string{"organizationName"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 6}, short: "C", other: []string{"countryName"}, tag: asn1.TagPrintableString},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 7}, short: "L", other: []string{"localityName"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 8}, short: "ST", other: []string{"S", "stateOrProvinceName"}},
	{oid: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, short: "emailAddress", other: []string{"Email", "E"}, tag: asn1.TagIA5String},
	{oid: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, short: "UID", other: []string{"userId"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 5}, short: "serialNumber", tag: asn1.TagPrintableString},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 4}, short: "SN", other: []string{"surname"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 42}, short: "GN", other: []string{"givenName"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 12}, short: "title", other: []string{"T"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 9}, short: "street", other: []string{"streetAddress"}},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 17}, short: "postalCode"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 97}, short: "organizationIdentifier"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 41}, short: "name"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 43}, short: "initials"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 44}, short: "generationQualifier"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 46}, short: "dnQualifier", tag: asn1.TagPrintableString},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 65}, short: "pseudonym"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 13}, short: "description"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 15}, short: "businessCategory"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 16}, short: "postalAddress"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 18}, short: "postOfficeBox"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 20}, short: "telephoneNumber"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 45}, short: "x500UniqueIdentifier"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 51}, short: "houseIdentifier"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 54}, short: "dmdName"},
	{oid: asn1.ObjectIdentifier{2, 5, 4, 72}, short: "role"},
	{oid: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 3}, short: "mail", other: []string{"rfc822Mailbox"}},
	{oid: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 2}, short: "unstructuredName"},
	{oid: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 8}, short: "unstructuredAddress"},
	{oid: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 1}, short: "jurisdictionL", other: []string{"jurisdictionLocalityName"}},
	{oid: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 2}, short: "jurisdictionST", other: []string{"jurisdictionStateOrProvinceName"}},
	{oid: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 60, 2, 1, 3}, short: "jurisdictionC", other: []string{"jurisdictionCountryName"}, tag: asn1.TagPrintableString},
}

// frequentType knows the first attributeTypes by the encodings of their object identifiers; -1 is any other.
func frequentType(body []byte) int {
	switch string(body) {
	case "\x55\x04\x03":
		return 0
	case "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19":
		return 1
	case "\x55\x04\x0b":
		return 2
	case "\x55\x04\x0a":
		return 3
	case "\x55\x04\x06":
		return 4
	}
	return -1
}

// oidCN is the type of the one attribute that a proxy adds to its issuer's name.
var oidCN = attributeTypes[0].oid

// byOID returns the entry of the type, or nil for a type without a name.
func byOID(oid asn1.ObjectIdentifier) *attributeType {
	for i := range attributeTypes {
		if slices.Equal(attributeTypes[i].oid, oid) {
			return &attributeTypes[i]
		}
	}
	return nil
}

// byName returns the entry with that name in any spelling and case, or nil. "SN" is a surname as in OpenSSL 3, although
// OpenSSL before 0.9.7 used it for serialNumber.
func byName(name string) *attributeType {
	for i := range attributeTypes {
		t := &attributeTypes[i]
		if strings.EqualFold(t.short, name) {
			return t
		}
		for _, o := range t.other {
			if strings.EqualFold(o, name) {
				return t
			}
		}
	}
	return nil
}

// shortName is what OpenSSL prints for the type: its short name, else dotted decimals.
func shortName(oid asn1.ObjectIdentifier) string {
	if t := byOID(oid); t != nil {
		return t.short
	}
	return oid.String()
}
