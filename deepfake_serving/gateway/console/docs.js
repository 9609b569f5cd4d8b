// The page of the API: Swagger UI over this gateway's own OpenAPI document.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#api", deepLinking: true, tryItOutEnabled: true });
