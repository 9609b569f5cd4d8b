// API reference: Swagger UI for this gateway's own OpenAPI document.
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#api", deepLinking: true, tryItOutEnabled: true });
