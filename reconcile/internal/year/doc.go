// Package year simulates lives of a box, a year long or with as much in them as in a year, and judges them.
//
// A [Script] is what happens in a life, all of it from a seed: outages of either server, servers that are mute, slow or
// refuse, a VOMS server that gives 12 h only, its certificate ending, a credential stored with -t 12, the ends of stored
// credential, user certificate and host certificate, a machine that is off for minutes or days, power that fails in the
// middle of a pass, runs by hand, a clock that is set forwards and backwards, and other people's edits. What people do
// when an alert tells them to is up to them: mostly they store or install something new within a week, sometimes too late,
// sometimes with -t 12.
//
// # What is real
//
//   - [Model] lives hundreds of years: package plan decides and package watch sets the pace, but credentials are pairs of
//     times and the engine is written down again in a few lines. There are no files and no services.
//   - [Engine] lives fortnights, in a bubble of testing/synctest: the real engine with real files, records, journal, env
//     files, locks and watcher, and credentials whose chains and attribute certificates verify. Only what is beyond the
//     network is modelled. Keys are made once; watch mode looks every ten minutes instead of being told by inotify.
//   - [Engine] with a [Wire] lives days, through servers that speak the real protocols over sockets.
//
// [Differ] shows that the first is a model of the second, and the second one of the third: from cron, the same script
// leads to the same renewals in the same minutes.
//
// Not simulated are what other tests are about: the loop of the command around the watcher, of which a copy is here,
// inotify, a disk that is full, a write that is torn (power fails between writes here, see package atomicfile for the
// rest), CRLs, several proxies, and the delivery of alerts.
//
// # The rules
//
// [Log.Judge] knows when a proxy of 48 h could be had. It computes, to the nanosecond and by the clock of the box, when the
// user proxy was below the 46 h of JAliEn's CE, and finds what of that need not have been:
//
//   - Below 46h. From cron: no dip begins if a run within one period before it met servers that were well, once two
//     periods without a run by hand have made the rhythm known. With --watch: none begins if the servers were well for
//     18 minutes before it, and the program ran for half an hour. For a quarter of an hour is the time between two tries,
//     and a try may take two minutes.
//   - Stays below 46h. From cron, the first run that meets servers that are well ends a dip; with --watch, 18 minutes
//     after they are well again it has ended. An hour more is granted where a server had said no, and six hours where it
//     had given less than what was in place: it is not asked all the time then. Nothing is
//     granted where the clock was wrong.
//   - Not renewed. After a pass that met servers that were well, the user proxy has 46 h, and the machine proxy 12 h or
//     what the host certificate has.
//   - Not told. Every pass in which a renewal failed says so. From 240 h before the end of the stored credential, or of
//     the host certificate, every pass tells, and as one comes every hour, so is the first.
//   - Told for nothing. No alert when all has been well for eight hours and nothing ends within 40 days.
//   - No pass, a swarm, too many requests. A pass comes every hour, and no more than seven within ten minutes, but for what
//     happens to the box. A server is asked 18 times a day when all is well (cron: once a run), three times a quarter of an
//     hour when nobody answers, and once an hour when it says no.
//   - On disk: a file is not whole, worse than before, restarted for nothing, restarted too often, not restarted, env
//     file, what is kept. Files are looked at whenever a step begins or ends and a server is asked. A restart has an edit of
//     a managed variable before it, and an edit a restart after it.
//
// A clock that is more than four minutes wrong is a bad time, as is a day with a clock that is set: what was below the
// threshold just because of that is not held against the program, but it must be well again as soon as after an outage.
package year
