package main

// storeFlagsOfOld are all the flags of myproxy-init.
var storeFlagsOfOld = append([]oldFlag{
	{name: "cred-lifetime", short: "c", tools: myproxyInit, arg: true, becomes: "cred-lifetime"},
	{name: "proxy-lifetime", short: "t", tools: myproxyInit, arg: true, becomes: "proxy-lifetime"},
	{name: "certfile", short: "C", tools: myproxyInit, arg: true, becomes: "cert"},
	{name: "keyfile", short: "y", tools: myproxyInit, arg: true, becomes: "key-file"},
	{name: "allow-anonymous-retrievers", short: "a", tools: myproxyInit, becomes: "allow-anonymous-retrievers"},
	{name: "allow-anonymous-renewers", short: "A", tools: myproxyInit, becomes: "allow-anonymous-renewers"},
	{name: "regex-dn-match", short: "x", tools: myproxyInit, becomes: "regex-dn-match"},
	{name: "match-cn-only", short: "X", tools: myproxyInit, becomes: "match-cn-only"},
	{name: "retrievable-by", short: "r", tools: myproxyInit, arg: true, becomes: "retrievable-by"},
	{name: "renewable-by", short: "R", tools: myproxyInit, arg: true, becomes: "renewable-by"},
	{name: "retrievable-by-cert", short: "Z", tools: myproxyInit, arg: true, becomes: "retrievable-by-cert"},
	{name: "stdin-pass", short: "S", tools: myproxyInit, becomes: "stdin-pass"},
	{name: "no-passphrase", short: "n", tools: myproxyInit, becomes: "no-passphrase"},
	{name: "creddesc", short: "K", tools: myproxyInit, arg: true, becomes: "creddesc"},
	{name: "local-proxy", short: "L", tools: myproxyInit, refused: "a login proxy is made by vobox-reconcile login, or together with this by vobox-reconcile enroll"},
	{name: "voms", short: "m", tools: myproxyInit, arg: true, refused: "attributes do not belong into what is stored: they would end within a day or two, and a VOMS server then gives boxes no others. Boxes ask for their own; for a login proxy with attributes there is vobox-reconcile enroll"},
}, commonFlagsOfOld...)

// commonFlagsOfOld are the flags that all of the myproxy-* tools have.
var commonFlagsOfOld = []oldFlag{
	{name: "help", short: "h", tools: allMyProxy, becomes: "help"},
	{name: "usage", short: "u", tools: allMyProxy, becomes: "help=true"},
	{name: "verbose", short: "v", tools: allMyProxy, ignored: "there is nothing to add: what goes wrong is told in full"},
	{name: "version", short: "V", tools: allMyProxy, becomes: "version"},
	{name: "username", short: "l", tools: allMyProxy, arg: true, becomes: "username"},
	{name: "pshost", short: "s", tools: allMyProxy, arg: true, becomes: "pshost"},
	{name: "psport", short: "p", tools: allMyProxy, arg: true, becomes: "psport"},
	{name: "dn-as-username", short: "d", tools: allMyProxy, becomes: "dn-as-username"},
	{name: "credname", short: "k", tools: allMyProxy, arg: true, becomes: "credname"},
}

// The tools whose flags there are.
const (
	myproxyInit    = "myproxy-init"
	myproxyInfo    = "myproxy-info"
	myproxyDestroy = "myproxy-destroy"
	myproxyChange  = "myproxy-change-pass-phrase"
	allMyProxy     = myproxyInit + " " + myproxyInfo + " " + myproxyDestroy + " " + myproxyChange
)
