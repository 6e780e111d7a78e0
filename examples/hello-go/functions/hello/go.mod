module hello

go 1.22

require mu v0.0.0

replace mu => ../../../../sdk/go
