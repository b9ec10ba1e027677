package realgrid

// PIDs returns the process of each server that was started, by name.
func (g *Grid) PIDs() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	pids := make(map[string]int)
	for _, p := range g.processes {
		pids[p.name] = p.cmd.Process.Pid
	}
	return pids
}

// Listening is how the harness sees what a process listens on.
var Listening = listening

// ProcAddr reads an address as /proc/net/tcp has it.
var ProcAddr = procAddr
