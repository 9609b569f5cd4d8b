from deepfake_serving.training.cli import main

if __name__ == "__main__":
    main()
