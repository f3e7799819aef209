// Command container is all that the images of the end-to-end tests hold. Its first argument says how it behaves:
//
//	serve SECONDS    answers 200 on port 8080, from so many seconds after its start on; ends at once when it is asked to; with
//	                 E2E_JOB in its environment it ends with code 0 instead, as the same image does as a migration
//	unready          answers 503 on port 8080
//	sick SECONDS     answers 200 for so long, then 503
//	crash LOG        prints the text and ends with code 1
//	expire SECONDS   serves for so long, then ends with code 1
//	done             ends with code 0
//	wait             runs until it is asked to end
//	oom              takes memory until it is killed
//	write FILE       creates the file, says why it can't and ends with code 1; where it could, serves
//	linger SECONDS   serves, and goes on so long after it is asked to end
//	stubborn         serves, and never ends by itself
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	behaviour, argument := "serve", ""
	if len(os.Args) > 1 {
		behaviour = os.Args[1]
	}
	if len(os.Args) > 2 {
		argument = os.Args[2]
	}
	switch behaviour {
	case "serve":
		if os.Getenv("E2E_JOB") != "" {
			return
		}
		go serve(seconds(argument), func() int { return http.StatusOK })
	case "unready":
		go serve(0, func() int { return http.StatusServiceUnavailable })
	case "sick":
		ends := time.Now().Add(seconds(argument))
		go serve(0, func() int {
			if time.Now().After(ends) {
				return http.StatusServiceUnavailable
			}
			return http.StatusOK
		})
	case "crash":
		fmt.Println(argument)
		os.Exit(1)
	case "expire":
		go serve(0, func() int { return http.StatusOK })
		time.Sleep(seconds(argument))
		fmt.Println("fatal: the lease has expired")
		os.Exit(1)
	case "done":
		return
	case "wait":
	case "oom":
		go fill()
	case "write":
		if _, err := os.Create(argument); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(0, func() int { return http.StatusOK })
	case "linger", "stubborn":
		go serve(0, func() int { return http.StatusOK })
	default:
		fmt.Fprintln(os.Stderr, "container: unknown behaviour "+behaviour)
		os.Exit(2)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	<-asked
	switch behaviour {
	case "linger":
		time.Sleep(seconds(argument))
	case "stubborn":
		select {}
	}
}

func seconds(text string) time.Duration {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(number * float64(time.Second))
}

// serve listens only after the delay: until then a connection is refused, as a program that still starts refuses it.
func serve(delay time.Duration, status func() int) {
	time.Sleep(delay)
	handler := func(answer http.ResponseWriter, _ *http.Request) {
		answer.WriteHeader(status())
		fmt.Fprintln(answer, http.StatusText(status()))
	}
	if err := http.ListenAndServe(":8080", http.HandlerFunc(handler)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func fill() {
	kept := [][]byte{}
	for {
		page := make([]byte, 1<<20)
		for index := range page {
			page[index] = 1
		}
		kept = append(kept, page)
	}
}
