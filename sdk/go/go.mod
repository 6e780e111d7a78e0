module mu

go 1.24
