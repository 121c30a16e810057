/**
 * The address of a script of its own: a worker or a worklet. `build.mjs` bundles the file and puts the name of the
 * result here.
 */
declare module "*?url" {
  const url: string;
  export default url;
}
