// Run a graph model in TensorFlow.js itself: node tfjs_run.cjs tf.min.js model.json weights.bin input.json outputs...
// input.json: {"name": ..., "shape": [...], "values": [...]}. Prints {"output": [...]} as JSON.
const fs = require("fs");

async function main() {
  const [library, modelFile, weightsFile, inputFile, ...outputs] = process.argv.slice(2);
  const tf = require(library);
  await tf.setBackend("cpu");
  const model = JSON.parse(fs.readFileSync(modelFile, "utf8"));
  const content = fs.readFileSync(weightsFile);
  const graph = await tf.loadGraphModel({
    load: async () => ({
      modelTopology: model.modelTopology,
      weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
      weightData: content.buffer.slice(content.byteOffset, content.byteOffset + content.length),
    }),
  });
  const input = JSON.parse(fs.readFileSync(inputFile, "utf8"));
  const found = graph.execute({ [input.name]: tf.tensor(input.values, input.shape, "float32") }, outputs);
  const tensors = Array.isArray(found) ? found : [found];
  const rows = outputs.map((name, number) => [name, Array.from(tensors[number].dataSync())]);
  process.stdout.write(JSON.stringify(Object.fromEntries(rows)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
