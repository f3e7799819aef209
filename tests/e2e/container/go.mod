module bump.example/e2e/container

go 1.24
