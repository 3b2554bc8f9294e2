-- What is needed to name what models have answered where the checkpoint is not at hand: a JSON object
-- with the name of the model, its preprocessing and layer, and the names of its classes.
CREATE TABLE model_facts (
    model INTEGER PRIMARY KEY REFERENCES models (id),
    facts TEXT NOT NULL CHECK (json_valid(facts))
) STRICT;
