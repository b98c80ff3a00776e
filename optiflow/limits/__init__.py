"""Provider limits: requests to model providers wait for what a provider allows, and slow ones are asked twice."""
