package plan

import "fmt"

// newestAlert tells that the file which was written last is not the one that is kept. The manuals of VO-boxes have env files
// take the newest (ls -t PATTERN | sed q), whatever is in it; what counts here is that a proxy is valid, of the right person and
// attributes, and lasts longest.
func (c *computer) newestAlert(cred Credential, st CredentialState) {
	if st.Newest == "" || !st.Usable(c.now) {
		return
	}
	c.alert(Alert{ID: "REPO-NEWEST", Severity: Warning, Subject: cred.Name,
		Message: fmt.Sprintf("the newest file of %s is %s, which is not the proxy that is kept, %s: whoever takes the newest one uses another", cred.Path, st.Newest, st.Path),
		Remedy:  fmt.Sprintf("let them use the one that is kept (envFiles[].set: X509_USER_PROXY: ${proxy.%s}), or move %s away", cred.Name, st.Newest), Where: "VO-Box"})
}
