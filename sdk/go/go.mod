module mu

go 1.22
