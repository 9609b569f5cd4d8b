// Detects an image, receives a problem and lists jobs with the client that oapi-codegen generates.
//
//	client URL IMAGE VIDEO
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"mime/multipart"
	"os"

	"deepfake-serving/client/api"
)

func main() {
	image, err := os.ReadFile(os.Args[2])
	check(err)
	video, err := os.ReadFile(os.Args[3])
	check(err)
	client, err := api.NewClientWithResponses(os.Args[1])
	check(err)
	ctx := context.Background()
	detected, err := client.DetectImageWithBodyWithResponse(
		ctx, &api.DetectImageParams{}, "image/jpeg", bytes.NewReader(image))
	check(err)
	refused, err := client.DetectImageWithBodyWithResponse(
		ctx, &api.DetectImageParams{}, "application/octet-stream", bytes.NewReader([]byte("text")))
	check(err)
	form, contentType := upload(video)
	submitted, err := client.SubmitVideoWithBodyWithResponse(
		ctx, &api.SubmitVideoParams{}, contentType, form)
	check(err)
	jobs, err := client.ListJobsWithResponse(ctx, &api.ListJobsParams{})
	check(err)
	report, err := json.Marshal(map[string]any{
		"verdict": detected.JSON200.Verdict,
		"faces":   len(detected.JSON200.Faces),
		"problem": refused.ApplicationproblemJSON4XX.Status,
		"job":     submitted.JSON202.Id,
		"jobs":    ids(jobs.JSON200.Jobs),
	})
	check(err)
	fmt.Println(string(report))
}

func upload(video []byte) (*bytes.Buffer, string) {
	body := &bytes.Buffer{}
	form := multipart.NewWriter(body)
	part, err := form.CreateFormFile("file", "a.mp4")
	check(err)
	_, err = part.Write(video)
	check(err)
	check(form.Close())
	return body, form.FormDataContentType()
}

func ids(jobs []api.JobDocument) []string {
	found := []string{}
	for _, job := range jobs {
		found = append(found, job.Id)
	}
	return found
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
