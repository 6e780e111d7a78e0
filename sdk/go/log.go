package mu

import "fmt"

// Level says how much a log line matters.
type Level uint8

const (
	LevelError Level = iota
	LevelWarn
	LevelInfo
	LevelDebug
	LevelTrace
)

// Log writes a line to the function's log. What the standard package log prints arrives there too, as information.
func Log(level Level, format string, values ...any) {
	// A line that cannot be written means that the host is gone, which the next question or the result will meet.
	_ = host.tell(codeLog, func(e *encoder) {
		e.text(fmt.Sprintf(format, values...))
		e.u8(uint8(level))
	})
}
